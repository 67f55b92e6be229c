package serve

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// chat is POST /v1/chat/completions.
func (h *Handler) chat(x *exchange) error {
	body, err := x.readBody()
	if err != nil {
		return err
	}
	req, err := openai.ParseChatCompletionRequest(body, h.limits())
	if err != nil {
		return err
	}
	x.model = req.Model
	if len(req.Ignored) > 0 {
		x.w.Header().Set("X-Docent-Ignored", headerList(req.Ignored))
	}
	if !h.mayUse(x, req.Model) {
		return notAllowed(req.Model)
	}

	g := newGeneration(x, req)
	lease, waited, err := h.pool.acquire(x.ctx, req.Model)
	if errors.Is(err, ErrModelNotFound) {
		return modelNotFound(req.Model)
	}
	if err != nil {
		if x.ctx.Err() != nil {
			return x.ended()
		}
		return err
	}
	defer h.pool.release(lease)
	if waited {
		g.times.loaded()
	}
	ask, err := h.request(req, lease.info)
	if err != nil {
		return err
	}
	if h.o.LogContent {
		h.log.Info("prompt", "request_id", x.id, "messages", ask.Messages)
	}
	g.ask, g.fingerprint = ask, lease.info.Fingerprint
	deltas := lease.model.Generate(x.ctx, ask)
	if req.Stream {
		return g.stream(deltas)
	}
	return g.answer(deltas)
}

// request turns what the client sent into what the model is asked.
func (h *Handler) request(req *openai.ChatCompletionRequest, info Info) (Request, error) {
	limit := h.o.DefaultMaxTokens
	if n := req.TokenLimit(); n != nil {
		limit = *n
	}
	ask := Request{
		Messages:     conversation(req.Messages),
		TemplateArgs: req.ChatTemplateKwargs,
		Sampling:     sampling(req.Sampling, info.Defaults),
		N:            1,
		MaxTokens:    min(limit, h.o.MaxTokensCap),
		MaxTime:      h.o.MaxGenerationTime,
		Stop:         req.Stop,
		IgnoreEOS:    req.IgnoreEOS,
		Logprobs:     req.Logprobs,
		TopLogprobs:  req.TopLogprobs,
	}
	if req.N != nil {
		ask.N = *req.N
	}
	if info.VocabSize > 0 {
		for id := range req.LogitBias {
			if id >= info.VocabSize {
				return Request{}, unknownToken(id, info.VocabSize)
			}
		}
	}
	return ask, nil
}

// conversation joins all system messages, wherever they stand, into one in front: the context. Strict templates refuse
// a second or late one. The other turns stay as they are.
func conversation(in []openai.Message) []Message {
	var system []string
	out := make([]Message, 1, len(in)+1)
	for _, m := range in {
		switch m.Role {
		case "system", "developer":
			system = append(system, m.Content)
		default:
			out = append(out, Message{m.Role, m.Content})
		}
	}
	if system == nil {
		return out[1:]
	}
	out[0] = Message{"system", strings.Join(system, "\n\n")}
	return out
}

// sampling lays the request over the model's defaults.
func sampling(in openai.Sampling, defaults *Sampling) Sampling {
	s := Sampling{Temperature: 1}
	if defaults != nil {
		s = *defaults
	}
	override(&s.Temperature, in.Temperature)
	override(&s.TopP, in.TopP)
	if in.TopP != nil && *in.TopP == 0 {
		s.TopP = math.SmallestNonzeroFloat64 // the one most likely token, where zero would mean off
	}
	override(&s.TopK, in.TopK)
	override(&s.MinP, in.MinP)
	override(&s.RepetitionPenalty, in.RepetitionPenalty)
	override(&s.NoRepeatNgram, in.NoRepeatNgramSize)
	override(&s.PresencePenalty, in.PresencePenalty)
	override(&s.FrequencyPenalty, in.FrequencyPenalty)
	if in.LogitBias != nil {
		s.LogitBias = in.LogitBias
	}
	if in.Seed != nil {
		seed := uint64(*in.Seed)
		s.Seed = &seed
	}
	return s
}

func override[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// unknownToken can be told only now that the model is known.
func unknownToken(id, vocab int) *openai.Error {
	key := strconv.Itoa(id)
	field := "logit_bias." + key
	text := fmt.Sprintf("the model has no such token, only 0 to %d", vocab-1)
	e := openai.NewError(openai.CodeValidation, field+": "+text).WithParam(field)
	e.Details = append(e.Details, openai.Detail{Field: field, Loc: []any{"body", "logit_bias", key}, Message: text, Type: "range"})
	return e
}

// answer collects the whole text and sends one response.
func (g *generation) answer(deltas deltaSeq) error {
	texts := make([]strings.Builder, g.ask.N)
	logprobs := make([][]openai.TokenLogprob, g.ask.N)
	err := g.run(deltas, func(d Delta) error {
		texts[d.Choice].WriteString(d.Text)
		logprobs[d.Choice] = append(logprobs[d.Choice], wireLogprobs(d.Tokens)...)
		return nil
	})
	if err != nil {
		return err
	}
	latency := g.times.latency(g.usage.CompletionTokens)
	res := openai.ChatCompletionResponse{
		ID: g.id, Object: "chat.completion", Created: g.created, Model: g.x.model, SystemFingerprint: g.fingerprint,
		ServiceTier: "default", Choices: make([]openai.ChatChoice, g.ask.N), Usage: g.usage, Latency: latency,
	}
	for i := range res.Choices {
		res.Choices[i] = openai.ChatChoice{
			Index:        i,
			Message:      openai.ResponseMessage{Role: "assistant", Content: texts[i].String(), Annotations: []openai.Annotation{}},
			FinishReason: string(g.finish[i]),
		}
		if g.ask.Logprobs {
			res.Choices[i].Logprobs = &openai.Logprobs{Content: append([]openai.TokenLogprob{}, logprobs[i]...)}
		}
		g.logText(i, texts[i].String())
	}
	g.headers(latency)
	return g.x.respond(http.StatusOK, res)
}

func (g *generation) logText(choice int, text string) {
	if g.x.h.o.LogContent {
		g.x.h.log.Info("answer", "request_id", g.x.id, "choice", choice, "text", text)
	}
}

// headerList joins field names that a stranger chose into a header value.
func headerList(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = name
		plain := func(r rune) bool { return r > ' ' && r < 0x7f && r != ',' && r != '"' }
		if strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
			list[i] = strconv.QuoteToASCII(name)
		}
	}
	return strings.Join(list, ", ")
}
