package serve

import (
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// completions is POST /v1/completions.
func (h *Handler) completions(x *exchange) error {
	req, err := parse(x, openai.ParseCompletionRequest)
	if err != nil {
		return err
	}
	g, err := x.begin("cmpl-", req.Model, req.Ignored, req.MaxTokens, fieldNames{prompt: "prompt"})
	if err != nil {
		return err
	}
	ask := g.request(req.Sampling)
	ask.Echo, ask.MaxTokens = req.Echo, max(ask.MaxTokens, 1)
	if req.Logprobs != nil {
		ask.Logprobs, ask.TopLogprobs = true, *req.Logprobs
	}
	if err := g.able(ask, req.LogitBias); err != nil {
		return err
	}
	asks := make([]Request, len(req.Prompt))
	for i, in := range req.Prompt {
		if err := g.known(in.Tokens, i, len(req.Prompt)); err != nil {
			return err
		}
		asks[i] = ask
		asks[i].Prompt = &Prompt{Text: in.Text, Tokens: in.Tokens}
	}
	g.ask(asks...)
	if g.wanted == 0 {
		g.model = scorer{g.model}
	}
	c := &completion{g: g, choices: make([]completionChoice, g.choices), streamed: req.Stream}
	return c.run(req.StreamOptions != nil && req.StreamOptions.IncludeUsage)
}

// known refuses ids that the model does not have. They are in the field itself, or in its i-th element.
func (g *generation) known(ids []int, i, inputs int) error {
	for j, id := range ids {
		loc := []any{g.fields.prompt, j}
		if inputs > 1 {
			loc = []any{g.fields.prompt, i, j}
		}
		if err := g.hasToken(id, loc...); err != nil {
			return err
		}
	}
	return nil
}

// completion is the answer to one request, whole or streamed.
type completion struct {
	g        *generation
	choices  []completionChoice
	streamed bool
}

// completionChoice is what one choice has so far, or of its tokens those that are not sent.
type completionChoice struct {
	text       strings.Builder // of a stream only the echo, and with LogContent, all of it
	logprobs   openai.CompletionLogprobs
	characters int // of the tokens so far, for their offsets
}

// echo is the beginning of each choice of a prompt that is repeated.
func (c *completion) echo(d Delta) {
	if d.Start == nil || !c.g.asks[0].Echo {
		return
	}
	n := c.g.asks[0].N
	for i := d.Choice / n * n; i < d.Choice/n*n+n; i++ {
		c.choices[i].tokens(d.Start.EchoTokens)
		c.choices[i].text.WriteString(d.Start.EchoText)
	}
}

func (c *completionChoice) tokens(tokens []TokenLogprob) {
	l := &c.logprobs
	for _, t := range tokens {
		l.TextOffset = append(l.TextOffset, c.characters)
		for _, b := range t.Bytes {
			if b&0xc0 != 0x80 { // not in the middle of a character
				c.characters++
			}
		}
		l.Tokens = append(l.Tokens, lossy(t.Bytes))
		if math.IsNaN(t.Logprob) {
			l.TokenLogprobs, l.TopLogprobs = append(l.TokenLogprobs, nil), append(l.TopLogprobs, nil)
			continue
		}
		l.TokenLogprobs = append(l.TokenLogprobs, &t.Logprob)
		top := make(map[string]float64, len(t.Top))
		for _, alt := range slices.Backward(t.Top) { // of those that look alike, the most likely one stays
			top[lossy(alt.Bytes)] = alt.Logprob
		}
		l.TopLogprobs = append(l.TopLogprobs, top)
	}
}

// wire takes the tokens out of the choice.
func (c *completionChoice) wire(i int, text string, logprobs bool, finish Finish) openai.CompletionChoice {
	out := openai.CompletionChoice{Index: i, Text: text}
	if logprobs {
		l := c.logprobs
		out.Logprobs = &openai.CompletionLogprobs{
			TextOffset: orEmpty(l.TextOffset), TokenLogprobs: orEmpty(l.TokenLogprobs), Tokens: orEmpty(l.Tokens), TopLogprobs: orEmpty(l.TopLogprobs),
		}
	}
	if finish != "" {
		reason := string(finish)
		out.FinishReason = &reason
	}
	c.logprobs = openai.CompletionLogprobs{}
	return out
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// run sends the answer, as it comes or whole. usage: a stream ends with it.
func (c *completion) run(usage bool) error {
	g := c.g
	res := openai.CompletionResponse{
		ID: g.id, Object: "text_completion", Created: g.created, Model: g.x.model, SystemFingerprint: g.info.Fingerprint,
		Choices: make([]openai.CompletionChoice, 1), Usage: openai.Nullable[openai.Usage]{Set: usage || !c.streamed},
	}
	send := func(i int, text string, finish Finish) error {
		res.Choices[0] = c.choices[i].wire(i, text, g.asks[0].Logprobs, finish)
		return unsent(g.x.stream.Send(&res))
	}
	starting := len(g.asks)
	err := g.run(func(d Delta) error {
		c.echo(d)
		if d.Start != nil && c.streamed {
			if starting--; starting > 0 {
				return nil // the next prompt may still be refused, with a status of its own
			}
			g.open()
			for i := range c.choices {
				if g.asks[0].Echo {
					if err := send(i, c.choices[i].text.String(), ""); err != nil {
						return err
					}
				}
			}
		}
		if !c.streamed || g.x.h.o.LogContent {
			c.choices[d.Choice].text.WriteString(d.Text)
		}
		c.choices[d.Choice].tokens(d.Tokens)
		if !c.streamed || d.Text == "" && len(d.Tokens) == 0 && d.Finish == "" {
			return nil
		}
		return send(d.Choice, d.Text, d.Finish)
	})
	if err != nil {
		return err
	}
	res.Choices = []openai.CompletionChoice{}
	for i := range c.choices {
		text := c.choices[i].text.String()
		g.logText(i, text)
		if !c.streamed {
			res.Choices = append(res.Choices, c.choices[i].wire(i, text, g.asks[0].Logprobs, g.finish[i]))
		}
	}
	latency := g.times.latency(g.usage.CompletionTokens)
	res.Usage.Value, res.Latency = &g.usage, &latency
	switch {
	case !c.streamed:
		g.headers(latency)
		return g.x.respond(http.StatusOK, res)
	case usage:
		return g.conclude(&res)
	}
	return g.conclude(nil)
}
