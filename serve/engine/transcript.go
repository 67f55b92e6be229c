package engine

import (
	"github.com/docent-ml/docent/serve"
)

// transcript turns the tokens of one choice into what may be sent: text that no stop string can claim any more, and the
// logprobs of just those tokens whose text, or a part of it, was sent.
type transcript struct {
	stop    *stopMatcher
	given   int // bytes of text that came in
	sent    int // bytes of text that went out
	pending []pendingToken
}

type pendingToken struct {
	start int // where its text begins; for a part of a character, where the character does
	token serve.TokenLogprob
}

// newTranscript starts one choice of r. turns: the model was trained with the question/answer prompt, and must not go
// on with a dialogue of its own.
func newTranscript(r serve.Request, turns bool) *transcript {
	return &transcript{stop: newStopMatcher(r.Stop, turns)}
}

// add takes the text that tokens completed, whole characters or nothing, and those tokens if logprobs are wanted.
// After stopped, the choice has ended, and the text is all that remains to be sent.
func (t *transcript) add(text string, lps ...*serve.TokenLogprob) (out string, tokens []serve.TokenLogprob, stopped bool) {
	for _, lp := range lps {
		if lp != nil {
			t.pending = append(t.pending, pendingToken{t.given, *lp})
		}
	}
	t.given += len(text)
	out, stopped = t.stop.feed(text)
	return out, t.release(out), stopped
}

// end takes what was left of an unfinished character, and returns the remaining text of a choice that was not stopped.
func (t *transcript) end(text string, lps ...*serve.TokenLogprob) (out string, tokens []serve.TokenLogprob, stopped bool) {
	out, tokens, stopped = t.add(text, lps...)
	if !stopped {
		held := t.stop.rest()
		out += held
		tokens = append(tokens, t.release(held)...)
	}
	return out, tokens, stopped
}

// release returns the tokens whose text has begun to go out with out.
func (t *transcript) release(out string) []serve.TokenLogprob {
	t.sent += len(out)
	var tokens []serve.TokenLogprob
	n := 0
	for n < len(t.pending) && t.pending[n].start < t.sent {
		tokens = append(tokens, t.pending[n].token)
		n++
	}
	t.pending = append(t.pending[:0], t.pending[n:]...)
	return tokens
}
