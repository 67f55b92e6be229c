package engine

import (
	"strings"

	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// What stands around a thought in front of an answer.
const (
	thoughtBegin = "<think>"
	thoughtEnd   = "</think>"
)

// thoughtReader tells what a model thinks from what it answers, in a text that comes in pieces of any size.
type thoughtReader struct {
	state thoughtState
	held  string
	lps   []*serve.TokenLogprob // of held text that may still be an answer
	begun bool                  // the thought has text
}

type thoughtState int

const (
	mayThink  thoughtState = iota // nothing but white space has come
	thinking                      // up to thoughtEnd
	thought                       // white space in front of the answer
	answering                     // to the end
)

// feed takes the text that a token completed, and the token if logprobs are wanted. Those of thoughts are dropped.
func (r *thoughtReader) feed(piece string, lp *serve.TokenLogprob) (mind, out string, lps []*serve.TokenLogprob) {
	r.held += piece
	r.lps = append(r.lps, lp)
	if r.state == mayThink {
		switch start := strings.TrimLeft(r.held, space); {
		case strings.HasPrefix(start, thoughtBegin):
			r.state, r.held = thinking, start[len(thoughtBegin):]
		case !strings.HasPrefix(thoughtBegin, start):
			r.state = answering
		}
	}
	if r.state == thinking {
		r.lps = r.lps[:0]
		whole, after, ended := strings.Cut(r.held, thoughtEnd)
		if ended {
			mind, r.held, r.state = strings.TrimRight(whole, space), after, thought
		} else {
			mind = before(r.held, thoughtEnd)
			r.held = r.held[len(mind):]
		}
		if mind = r.mind(mind); !ended {
			return mind, "", nil
		}
	}
	if r.state == thought {
		if r.held = strings.TrimLeft(r.held, space); r.held != "" {
			r.state = answering
		} else {
			r.lps = r.lps[:0]
		}
	}
	if r.state == answering {
		out, lps = r.held, r.lps
		r.held, r.lps = "", nil
	}
	return mind, out, lps
}

// mind leaves out white space in front of a thought.
func (r *thoughtReader) mind(piece string) string {
	if !r.begun {
		piece = strings.TrimLeft(piece, space)
	}
	r.begun = r.begun || piece != ""
	return piece
}

// rest is what was held when the answer ended.
func (r *thoughtReader) rest() (mind, out string, lps []*serve.TokenLogprob) {
	held := r.held
	r.held = ""
	switch r.state {
	case thinking:
		return r.mind(strings.TrimRight(held, space)), "", nil
	case mayThink:
		return "", held, r.lps
	}
	return "", "", nil
}

// thinker is what an engine knows of a model that thinks before it answers.
type thinker struct {
	thinks  bool
	special bool // the words around a thought are special tokens
}

func newThinker(c *text.Chat, tok *text.Tokenizer) (t thinker) {
	if c == nil || !c.Thinks() {
		return t
	}
	id, known := tok.ID(thoughtEnd)
	return thinker{true, known && tok.IsSpecial(id)}
}

// thoughts is the reader for the answer to a prompt, whose end may have begun the thought.
func (e *Engine) thoughts(j *job) *thoughtReader {
	if !e.thinker.thinks || j.r.Prompt != nil {
		return &thoughtReader{state: answering}
	}
	tail := e.model.Tokenizer.Decode(j.ids[max(0, len(j.ids)-8):], false)
	if strings.HasSuffix(strings.TrimRight(tail, space), thoughtBegin) {
		return &thoughtReader{state: thinking}
	}
	return &thoughtReader{}
}
