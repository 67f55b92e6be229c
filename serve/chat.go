package serve

import (
	"math"
	"net/http"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// chat is POST /v1/chat/completions.
func (h *Handler) chat(x *exchange) error {
	req, err := parse(x, openai.ParseChatCompletionRequest)
	if err != nil {
		return err
	}
	g, err := x.begin("chatcmpl-", req.Model, req.Ignored, req.TokenLimit(), chatFields)
	if err != nil {
		return err
	}
	ask := g.request(req.Sampling)
	ask.TemplateArgs, ask.Logprobs, ask.TopLogprobs = req.ChatTemplateKwargs, req.Logprobs, req.TopLogprobs
	ask.Messages = conversation(req.Messages)
	ask.Tools = toolsOf(req.Tools, req.ToolChoice, req.ParallelToolCalls)
	ask.Tools.One = ask.Tools.One || req.Functions && len(ask.Tools.List) > 0
	ask.Format = formatOf(req.ResponseFormat)
	if err := g.able(ask, req.LogitBias); err != nil {
		return err
	}
	if req.Functions {
		g.fields.parameters, g.functions = func(i int) []any { return []any{"functions", i, "parameters"} }, true
	}
	g.ask(ask)
	if req.Stream {
		return (&chatStream{g: g}).run(req.StreamOptions)
	}
	return g.chatAnswer()
}

// request is what all generating routes ask of a model.
func (g *generation) request(in openai.Sampling) Request {
	o := g.x.h.o
	ask := Request{
		Sampling: sampling(in, g.info.Defaults), N: 1, MaxTokens: min(g.wanted, o.MaxTokensCap), MaxTime: o.MaxGenerationTime,
		Stop: in.Stop, IgnoreEOS: in.IgnoreEOS,
	}
	if in.N != nil {
		ask.N = *in.N
	}
	return ask
}

// conversation is what was said, turn by turn. Developer is another word for system.
func conversation(in []openai.Message) []Message {
	out := make([]Message, len(in))
	for i, m := range in {
		out[i] = Message{Role: m.Role, Content: m.Content, CallID: m.ToolCallID, Reasoning: m.ReasoningContent}
		if m.Role == "developer" {
			out[i].Role = "system"
		}
		for _, c := range m.ToolCalls {
			out[i].Calls = append(out[i].Calls, Call{c.ID, c.Function.Name, c.Function.Arguments})
		}
	}
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

// choiceText is a choice of an answer that is sent whole.
type choiceText struct {
	mind  strings.Builder // what the model thought
	text  strings.Builder
	lps   []openai.TokenLogprob
	calls []openai.ToolCall
}

func (c *choiceText) add(g *generation, d Delta) {
	c.mind.WriteString(d.Reasoning)
	c.text.WriteString(d.Text)
	c.lps = append(c.lps, wireLogprobs(d.Tokens)...)
	if d.Call == nil {
		return
	}
	if d.Call.Index == len(c.calls) {
		c.calls = append(c.calls, openai.ToolCall{
			ID: "call_" + g.x.h.newID(), Type: "function", Function: openai.FunctionCall{Name: d.Call.Name},
		})
	}
	c.calls[d.Call.Index].Function.Arguments += d.Call.Arguments
}

// message is the choice as a message. Only calls without any text have no content.
func (c *choiceText) message() openai.ResponseMessage {
	m := openai.ResponseMessage{Role: "assistant", Annotations: []openai.Annotation{}, ToolCalls: c.calls, ReasoningContent: c.mind.String()}
	if text := c.text.String(); text != "" || c.calls == nil {
		m.Content = &text
	}
	return m
}

// collect runs the whole answer.
func (g *generation) collect() ([]choiceText, error) {
	choices := make([]choiceText, g.choices)
	err := g.run(func(d Delta) error {
		choices[d.Choice].add(g, d)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range choices {
		g.logText(i, choices[i].text.String())
	}
	return choices, nil
}

// chatAnswer collects the whole text and sends one response.
func (g *generation) chatAnswer() error {
	choices, err := g.collect()
	if err != nil {
		return err
	}
	latency := g.times.latency(g.usage.CompletionTokens)
	res := openai.ChatCompletionResponse{
		ID: g.id, Object: "chat.completion", Created: g.created, Model: g.x.model, SystemFingerprint: g.info.Fingerprint,
		ServiceTier: "default", Choices: make([]openai.ChatChoice, len(choices)), Usage: g.usage, Latency: latency,
	}
	for i := range choices {
		res.Choices[i] = openai.ChatChoice{Index: i, Message: choices[i].message(), FinishReason: g.reason(g.finish[i])}
		if m := &res.Choices[i].Message; g.functions && m.ToolCalls != nil {
			m.FunctionCall, m.ToolCalls = &m.ToolCalls[0].Function, nil
		}
		if g.asks[0].Logprobs {
			res.Choices[i].Logprobs = &openai.Logprobs{Content: append([]openai.TokenLogprob{}, choices[i].lps...)}
		}
	}
	g.headers(latency)
	return g.x.respond(http.StatusOK, res)
}
