package engine

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/serve"
)

// newVocabulary makes what the grammars know of the tokenizer. Special tokens must not come up in an answer that is kept to a
// form, unless the form of calls is made of them.
func (e *Engine) newVocabulary() (*grammar.Vocabulary, error) {
	tok := e.model.Tokenizer
	form := ""
	if e.calls != nil {
		form = e.calls.Open + e.calls.Close + e.calls.Next + e.calls.End
	}
	return grammar.NewVocabulary(e.model.Config.VocabSize, func(id int) []byte {
		if word, ok := tok.Token(int32(id)); !ok || tok.IsSpecial(int32(id)) && !strings.Contains(form, word) {
			return nil
		}
		return tok.Bytes(int32(id))
	}, e.model.EOS()...)
}

// constrain finds the form of a job's answer.
func (e *Engine) constrain(j *job) (err error) {
	if len(j.r.Tools.List) > 0 {
		if j.calls = e.calls; j.calls == nil {
			j.calls = &plainCalls
		}
	}
	if j.form, err = e.grammarOf(j.r, j.calls); err == nil && j.form != nil {
		j.writes, err = e.writes()
	}
	return err
}

// grammarOf is the form that an answer is kept to, or nil.
func (e *Engine) grammarOf(r serve.Request, calls *grammar.ToolFormat) (*grammar.Grammar, error) {
	switch {
	case calls != nil:
		return e.callGrammar(r.Tools, *calls)
	case r.Format.JSON && r.Format.Schema == nil:
		return e.grammars.Get("object", func() (*grammar.Grammar, error) { return grammar.JSONObject(), nil })
	case r.Format.JSON:
		g, err := e.grammars.Get("schema"+string(r.Format.Schema), func() (*grammar.Grammar, error) { return grammar.JSONSchema(r.Format.Schema) })
		return g, schemaError(err, -1)
	default:
		return nil, nil
	}
}

func (e *Engine) callGrammar(t serve.Tools, f grammar.ToolFormat) (*grammar.Grammar, error) {
	choice := grammar.ToolChoice{Text: !t.Must && t.Only == "", Parallel: !t.One}
	var tools []grammar.Tool
	for _, x := range t.List {
		if t.Only == "" || t.Only == x.Name {
			tools = append(tools, grammar.Tool{Name: x.Name, Parameters: x.Parameters})
		}
	}
	key, err := json.Marshal([]any{tools, choice})
	if err != nil {
		return nil, err
	}
	g, err := e.grammars.Get("tools"+string(key), func() (*grammar.Grammar, error) { return grammar.ToolCalls(tools, f, choice) })
	if err == nil {
		return g, nil
	}
	for i, x := range t.List { // whose fault it is
		if _, err := grammar.ToolCalls([]grammar.Tool{{Name: x.Name, Parameters: x.Parameters}}, f, choice); err != nil {
			return nil, schemaError(err, i)
		}
	}
	return nil, schemaError(err, 0)
}

// schemaError passes on what a schema cannot have, with its place taken apart.
func schemaError(err error, tool int) error {
	e, ok := errors.AsType[*grammar.SchemaError](err)
	if !ok {
		return err
	}
	var path []any
	for _, step := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(e.Path, "#"), "/"), "/") {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if n, err := strconv.Atoi(step); err == nil {
			path = append(path, n)
		} else if step != "" {
			path = append(path, step)
		}
	}
	return &serve.SchemaError{Tool: tool, Path: path, Reason: e.Reason}
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

// complete tells that nothing can follow any more, so that no token is spent on the end.
func (s *sampler) complete() bool { return s.state != nil && s.state.Final() }
