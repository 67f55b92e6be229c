package engine

import (
	"cmp"
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
		out[i] = text.Message{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning, ToolCalls: templateCalls(m.Calls), ToolCallID: m.CallID, Name: names[m.CallID]}
		for _, c := range m.Calls {
			names[c.ID] = c.Name
		}
	}
	return out
}

// ownForm is a conversation for a model whose template has no place for functions: they stand in the system message, calls
// in the text of the assistant, and what they returned in a message of the user.
func ownForm(in []serve.Message, list []serve.Tool) []serve.Message {
	var out []serve.Message
	names := map[string]string{}
	for i, m := range in {
		for _, c := range m.Calls {
			names[c.ID] = c.Name
			m.Content = strings.TrimLeft(m.Content+"\n"+ownCalls.Open+ownCalls.Name+c.Name+ownCalls.Arguments+cmp.Or(c.Arguments, "{}")+ownCalls.Close, "\n")
		}
		m.Calls = nil
		answers := m.Role == "tool"
		if answers {
			m = serve.Message{Role: "user", Content: strings.TrimSpace("Result of "+names[m.CallID]) + ":\n" + m.Content}
		}
		if last := len(out) - 1; last >= 0 && in[i-1].Role == "tool" && m.Role == "user" { // roles that take turns
			out[last].Content += "\n\n" + m.Content
			continue
		}
		out = append(out, m)
	}
	if len(list) == 0 {
		return out
	}
	told := "You can call functions. They are described here, with the JSON schemas of their arguments:\n" + string(templateTools(list)) +
		"\nTo call one, answer with its name and its arguments in this form:\n" +
		ownCalls.Open + ownCalls.Name + "NAME" + ownCalls.Arguments + "{…}" + ownCalls.Close
	return append(out, serve.Message{Role: "system", Content: told})
}
