package engine

import (
	"context"
	"errors"
	"math"
	"slices"

	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// specialTokens is how many special tokens the tokenizer puts around a text.
func specialTokens(tok *text.Tokenizer) (before, behind int) {
	ids, plain := tok.EncodeWithSpecial("a"), tok.Encode("a")
	behind = len(ids) - len(plain)
	for before = 0; behind > 0 && !slices.Equal(ids[before:before+len(plain)], plain); before++ {
		behind--
	}
	return before, behind
}

// encode makes the tokens of a text that is continued or embedded as it is, between the special tokens that the model
// wants around it. echo is the part of them that stands for the text itself.
func (e *Engine) encode(in serve.Prompt) (ids, echo []int32) {
	if in.Tokens != nil {
		for _, id := range in.Tokens {
			ids = append(ids, int32(id))
		}
		return ids, ids
	}
	ids = e.model.Tokenizer.AtMost(e.context).EncodeWithSpecial(in.Text)
	return ids, ids[e.before : len(ids)-e.behind]
}

// echo fills in what a prompt that is repeated says of itself.
func (l *loop) echo(j *job) error {
	tok := j.e.model.Tokenizer
	_, shown := j.e.encode(*j.r.Prompt)
	if j.start.EchoText = j.r.Prompt.Text; j.r.Prompt.Tokens != nil {
		j.start.EchoText = tok.Decode(shown, false)
	}
	if !j.r.Logprobs {
		return nil
	}
	hidden, err := l.b.slots.Hidden(j.ids, j.e.adapter)
	if err != nil {
		return err
	}
	skip := 0
	if j.r.Prompt.Tokens == nil {
		skip = j.e.before
	}
	j.start.EchoTokens = make([]serve.TokenLogprob, 0, len(shown))
	if skip == 0 {
		j.start.EchoTokens = append(j.start.EchoTokens, serve.TokenLogprob{ID: int(shown[0]), Bytes: tok.Bytes(shown[0]), Logprob: math.NaN()})
	}
	for from := max(skip, 1); from < skip+len(shown); from += infer.ScorePiece {
		to := min(from+infer.ScorePiece, skip+len(shown))
		rows, err := l.b.slots.Logits(hidden[from-1 : to-1])
		if err != nil {
			return err
		}
		for i, row := range rows {
			t := token{id: int(j.ids[from+i]), top: l.work.mostLikely(row, j.r.TopLogprobs)}
			t.logprob = float64(row[t.id]) - logSumExp(row)
			j.start.EchoTokens = append(j.start.EchoTokens, j.e.describeToken(t))
		}
	}
	return nil
}

// Embed implements Embedder: the mean of the last hidden states over the tokens of the text, special ones left out.
func (e *Engine) Embed(ctx context.Context, in serve.Prompt) (vector []float32, tokens int, err error) {
	j := e.newJob(ctx, serve.Request{Prompt: &in})
	j.embed = true
	defer e.abandon(j)
	if err := e.admit(j); err != nil {
		return nil, 0, err
	}
	if _, err, ended := j.out.take(ctx); err != nil || !ended {
		return nil, 0, errors.Join(err, ctx.Err())
	}
	return j.vector, len(j.ids), nil
}

// embedding computes the vector of a job, on the loop's goroutine.
func (l *loop) embedding(j *job) error {
	hidden, err := l.b.slots.Hidden(j.ids, j.e.adapter)
	if err != nil {
		return err
	}
	sum := make([]float64, len(hidden[0]))
	add := func(row []float32) {
		for i, x := range row {
			sum[i] += float64(x)
		}
	}
	counted := 0
	for i, id := range j.ids {
		if !j.e.model.Tokenizer.IsSpecial(id) {
			add(hidden[i])
			counted++
		}
	}
	if counted == 0 { // only special tokens: then they are the text
		for _, row := range hidden {
			add(row)
		}
	}
	var square float64
	for _, x := range sum {
		square += x * x
	}
	length := math.Sqrt(square)
	if math.IsNaN(length) || math.IsInf(length, 0) {
		return errNonFinite
	}
	if length == 0 { // a token without an embedding: zeros have no direction
		length = 1
	}
	j.vector = make([]float32, len(sum))
	for i, x := range sum {
		j.vector[i] = float32(x / length)
	}
	return nil
}
