package serve

import (
	"github.com/docent-ml/docent/openai"
)

// responses is POST /v1/responses.
func (h *Handler) responses(x *exchange) error {
	req, err := parse(x, openai.ParseResponseRequest)
	if err != nil {
		return err
	}
	g, err := x.begin("resp_", req.Model, req.Ignored, req.MaxOutputTokens, responseFields)
	if err != nil {
		return err
	}
	ask := g.request(req.Sampling)
	ask.TemplateArgs = req.TemplateKwargs
	ask.Messages = conversation(req.Messages)
	ask.Tools = toolsOf(req.Tools, req.ToolChoice, req.Parallel)
	ask.Format = formatOf(req.Text)
	if err := g.able(ask, nil); err != nil {
		return err
	}
	g.ask(ask)
	if req.Truncate {
		g.model = shortener{g.model}
	}
	r := &responseAnswer{g: g, wire: responseOf(g, req), streamed: req.Stream}
	return r.run()
}

// responseOf repeats what was asked, as the API does.
func responseOf(g *generation, req *openai.ResponseRequest) openai.Response {
	s := g.asks[0].Sampling
	res := openai.Response{
		ID: g.id, Object: "response", CreatedAt: g.created, Status: "in_progress", Instructions: req.Instructions,
		MaxOutputTokens: req.MaxOutputTokens, Model: g.x.model, Output: []openai.OutputItem{}, ParallelToolCalls: req.Parallel == nil || *req.Parallel,
		ServiceTier: "default", Temperature: s.Temperature, TopP: 1, Text: openai.ResponseText{Format: openai.ResponseTextFormat{Type: "text"}},
		ToolChoice: openai.ResponseToolChoice{Mode: openai.ToolAuto}, Tools: []openai.ResponseTool{}, Truncation: "disabled",
		User: req.User, Metadata: req.Metadata, SystemFingerprint: g.info.Fingerprint,
	}
	if req.TopP != nil {
		res.TopP = *req.TopP
	} else if s.TopP > 0 {
		res.TopP = s.TopP
	}
	if req.Truncate {
		res.Truncation = "auto"
	}
	if res.Metadata == nil {
		res.Metadata = map[string]string{}
	}
	if f := req.Text; f != nil {
		res.Text.Format.Type = f.Type
		if js := f.JSONSchema; js != nil {
			res.Text.Format = openai.ResponseTextFormat{Type: f.Type, Name: js.Name, Description: js.Description, Schema: js.Schema, Strict: js.Strict}
		}
	}
	if req.ToolChoice != nil {
		res.ToolChoice = openai.ResponseToolChoice(*req.ToolChoice)
	}
	for _, t := range req.Tools {
		tool := openai.ResponseTool{Type: t.Type, Name: t.Function.Name, Parameters: t.Function.Parameters, Strict: t.Function.Strict}
		if t.Function.Description != "" {
			tool.Description = &t.Function.Description
		}
		res.Tools = append(res.Tools, tool)
	}
	return res
}

// last is the item that is being written, or nil.
func (s *responseAnswer) last() *openai.OutputItem {
	if n := len(s.wire.Output); n > 0 && s.wire.Output[n-1].Status == "in_progress" {
		return &s.wire.Output[n-1]
	}
	return nil
}

// item begins an item of the output.
func (s *responseAnswer) item(i openai.OutputItem) *openai.OutputItem {
	i.Status = "in_progress"
	s.wire.Output = append(s.wire.Output, i)
	return s.last()
}

func (s *responseAnswer) message() *openai.OutputItem {
	return s.item(openai.OutputItem{ID: "msg_" + s.g.x.h.newID(), Type: "message", Role: "assistant", Content: []openai.OutputPart{}})
}

func (s *responseAnswer) call(name string) *openai.OutputItem {
	h := s.g.x.h
	none := ""
	return s.item(openai.OutputItem{ID: "fc_" + h.newID(), Type: "function_call", CallID: "call_" + h.newID(), Name: name, Arguments: &none})
}

func (s *responseAnswer) thought() *openai.OutputItem {
	return s.item(openai.OutputItem{ID: "rs_" + s.g.x.h.newID(), Type: "reasoning", Summary: []openai.OutputPart{}, Content: []openai.OutputPart{}})
}

// part is the text of an item.
func part(it *openai.OutputItem, text string) openai.OutputPart {
	if it.Type == "reasoning" {
		return openai.OutputPart{Type: "reasoning_text", Text: text}
	}
	return openai.OutputPart{Type: "output_text", Text: text, Annotations: []openai.Annotation{}, Logprobs: []openai.TokenLogprob{}}
}
