package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/serve"
)

// newVocabulary makes what the grammars know of the tokenizer. Special tokens must not come up in an answer that is kept to a
// form, unless the form of calls is made of them.
func (e *Engine) newVocabulary() (*grammar.Vocabulary, error) {
	tok := e.model.Tokenizer
	form := e.calls.Open + e.calls.Close + e.calls.Next + e.calls.End
	return grammar.NewVocabulary(e.model.Config.VocabSize, func(id int) []byte {
		if word, ok := tok.Token(int32(id)); !ok || tok.IsSpecial(int32(id)) && !strings.Contains(form, word) {
			return nil
		}
		return tok.Bytes(int32(id))
	}, e.model.EOS()...)
}

// constrain finds the form of the answer.
func (e *Engine) constrain(ctx context.Context, j *job) (err error) {
	began := time.Now()
	if j.form, err = e.grammarOf(ctx, j.r, j.calls); err != nil {
		return err
	}
	if j.writes, err = e.writes(); err != nil {
		return err
	}
	j.start.Ignored, j.start.Grammar = j.ignored(), time.Since(began)
	return nil
}

// grammarOf is the form that an answer is kept to, or nil.
func (e *Engine) grammarOf(ctx context.Context, r serve.Request, calls *grammar.ToolFormat) (*grammar.Grammar, error) {
	mode := grammar.BestEffort
	if r.Format.Strict {
		mode = grammar.Strict
	}
	switch {
	case calls != nil:
		return e.callGrammar(ctx, r, *calls, mode)
	case r.Format.JSON && r.Format.Schema == nil:
		return e.grammars.Get(ctx, "object", func() (*grammar.Grammar, error) { return grammar.JSONObject(), nil })
	case r.Format.JSON:
		g, err := e.grammars.Get(ctx, fmt.Sprint("schema", mode, string(r.Format.Schema)), func() (*grammar.Grammar, error) {
			return grammar.JSONSchema(ctx, r.Format.Schema, mode, e.limits)
		})
		return g, schemaError(err, -1)
	default:
		return nil, nil
	}
}

// callGrammar is the form of calls, or of calls and the text that may stand for them.
func (e *Engine) callGrammar(ctx context.Context, r serve.Request, f grammar.ToolFormat, mode grammar.Obedience) (*grammar.Grammar, error) {
	t := r.Tools
	choice := grammar.ToolChoice{Text: !t.Must && t.Only == "", Parallel: !t.One}
	if choice.Text && r.Format.JSON {
		choice.Mode, choice.Answer = mode, r.Format.Schema
		if choice.Answer == nil {
			choice.Answer = []byte(`{"type":"object"}`)
		}
	}
	var tools []grammar.Tool
	for _, x := range callable(t) {
		tools = append(tools, grammar.Tool{Name: x.Name, Parameters: x.Parameters, Strict: x.Strict})
	}
	key, err := json.Marshal([]any{tools, choice, f})
	if err != nil {
		return nil, err
	}
	g, err := e.grammars.Get(ctx, "tools"+string(key), func() (*grammar.Grammar, error) {
		return grammar.ToolCalls(ctx, tools, f, choice, e.limits)
	})
	if fault, ok := errors.AsType[*grammar.ToolError](err); ok {
		return nil, schemaError(fault.Err, asked(t, fault.Tool))
	}
	return g, err
}

// callable are the functions that an answer may call.
func callable(t serve.Tools) []serve.Tool {
	if t.Only == "" {
		return t.List
	}
	return slices.DeleteFunc(slices.Clone(t.List), func(x serve.Tool) bool { return x.Name != t.Only })
}

// asked is the place in the request of a function that may be called; -1 stays.
func asked(t serve.Tools, i int) int {
	if i < 0 || t.Only == "" {
		return i
	}
	return slices.IndexFunc(t.List, func(x serve.Tool) bool { return x.Name == t.Only })
}

// ignored is what the form of an answer does not keep to.
func (j *job) ignored() (out []serve.IgnoredKeyword) {
	if j.form != nil {
		for _, i := range j.form.Ignored() {
			out = append(out, serve.IgnoredKeyword{Tool: asked(j.r.Tools, i.Tool), Path: pointer(i.Path)})
		}
	}
	return out
}

// schemaError passes on what a schema cannot have, with its place taken apart.
func schemaError(err error, tool int) error {
	e, ok := errors.AsType[*grammar.SchemaError](err)
	if !ok {
		return err
	}
	return &serve.SchemaError{Tool: tool, Path: pointer(e.Path), Reason: e.Reason}
}

// pointer takes a JSON pointer apart.
func pointer(s string) []any {
	var path []any
	for _, step := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(s, "#"), "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if n, err := strconv.Atoi(step); err == nil {
			path = append(path, n)
		} else if step != "" {
			path = append(path, step)
		}
	}
	return path
}

// forbid takes out what the grammar does not allow next. A ban or a bias that leaves nothing of what is allowed gives
// way: the form is kept.
func (s *sampler) forbid(scores, row []float32, w *workspace) {
	if len(w.mask) != s.words {
		w.mask = make([]uint64, s.words)
	}
	s.state.Mask(w.mask)
	allowed := func(id int) bool { return w.mask[id>>6]>>(id&63)&1 == 1 }
	left := false
	for id := range scores {
		if !allowed(id) {
			scores[id] = float32(math.Inf(-1))
		} else if !math.IsInf(float64(scores[id]), -1) {
			left = true
		}
	}
	if left {
		return
	}
	for id := range scores {
		if allowed(id) {
			scores[id] = row[id]
		}
	}
}

// keepTo has the tokens that follow keep to a form, or to none.
func (s *sampler) keepTo(state *grammar.State, words int) {
	s.state, s.words, s.device = state, words, nil
}

// complete tells that nothing can follow any more, so that no token is spent on the end.
func (s *sampler) complete() bool { return s.state != nil && s.state.Final() }
