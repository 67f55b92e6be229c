package engine

import (
	"encoding/json"
	"strings"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// findTools reads off the chat template how the model is told of functions and how it calls them.
func (e *Engine) findTools() (grammar.ToolFormat, bool) {
	if e.model.Chat == nil {
		return grammar.ToolFormat{}, false
	}
	var ends []string
	for id := range e.eos {
		if word, ok := e.model.Tokenizer.Token(id); ok {
			ends = append(ends, word)
		}
	}
	return findToolFormat(e.model.Chat, ends)
}

// templateTools are the functions as chat templates want them.
func templateTools(list []serve.Tool) json.RawMessage {
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	type tool struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	var tools []tool
	for _, t := range list {
		p := t.Parameters
		if p == nil {
			p = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		tools = append(tools, tool{"function", function{t.Name, t.Description, p}})
	}
	data, _ := json.Marshal(tools) // parameters are a part of a JSON text that was checked
	return data
}

// templateCalls are the calls of an earlier turn as chat templates want them: arguments as an object.
func templateCalls(calls []serve.Call) json.RawMessage {
	type function struct {
		Name      string `json:"name"`
		Arguments any    `json:"arguments"`
	}
	type call struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	if len(calls) == 0 {
		return nil
	}
	var out []call
	for _, c := range calls {
		f := function{c.Name, c.Arguments}
		if strings.HasPrefix(strings.TrimSpace(c.Arguments), "{") && json.Valid([]byte(c.Arguments)) {
			f.Arguments = json.RawMessage(c.Arguments)
		}
		out = append(out, call{c.ID, "function", f})
	}
	data, _ := json.Marshal(out)
	return data
}

// templateMessages are the turns of a request. A tool's message carries the name of the function that it answers for,
// which some templates show.
func templateMessages(in []serve.Message) []text.Message {
	names := map[string]string{}
	out := make([]text.Message, len(in))
	for i, m := range in {
		out[i] = text.Message{Role: m.Role, Content: m.Content, ToolCalls: templateCalls(m.Calls), ToolCallID: m.CallID, Name: names[m.CallID]}
		for _, c := range m.Calls {
			names[c.ID] = c.Name
		}
	}
	return out
}

// toldOfTools puts the functions into the system message, for a model whose template has no place for them and whose
// call is forced.
func toldOfTools(in []text.Message, list []serve.Tool) []text.Message {
	told := "These functions can be called:\n" + string(templateTools(list)) +
		"\nA call is written as a JSON object: {\"name\": …, \"arguments\": {…}}"
	if len(in) > 0 && in[0].Role == "system" {
		out := append([]text.Message{}, in...)
		out[0].Content += "\n\n" + told
		return out
	}
	return append([]text.Message{{Role: "system", Content: told}}, in...)
}
