package engine

import (
	"encoding/json"
	"strings"

	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/text"
)

// ownCalls is the format for a model whose template knows none: the one that most models have seen in training. There is one
// call in an answer, since a model that was not trained to call may not know when to stop.
var ownCalls = grammar.ToolFormat{Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>"}

// Words that no template has of its own.
const (
	probeTool = "docent_probe_tool"
	probeKey  = "docent_probe_key"

	probeTools = `[{"type":"function","function":{"name":"` + probeTool + `","description":"probe","parameters":` +
		`{"type":"object","properties":{"` + probeKey + `":{"type":"string","description":"probe"}},"required":["` + probeKey + `"]}}}]`
	probeCall = `{"id":"call00000","type":"function","function":{"name":"` + probeTool + `","arguments":{"` + probeKey + `":"probe"}}}`
)

// findToolFormat reads off a chat template how the model writes a call: the template shows it for calls of earlier turns.
// It is asked with a made-up function. ok is false if it shows neither the function nor a call. ends are the tokens that
// end an answer.
func findToolFormat(c *text.Chat, ends []string) (f grammar.ToolFormat, ok bool) {
	question := text.Message{Role: "user", Content: "probe"}
	o := text.RenderOptions{Tools: json.RawMessage(probeTools), AddGenerationPrompt: true}
	prompt, err := c.Render([]text.Message{question}, o)
	if err != nil || !strings.Contains(prompt, probeTool) {
		return f, false
	}
	o.AddGenerationPrompt = false
	// The answer begins where the rendering parts from that of the prompt, and ends with its turn.
	answer := func(calls string) string {
		whole, err := c.Render([]text.Message{question, {Role: "assistant", ToolCalls: json.RawMessage("[" + calls + "]")}}, o)
		if err != nil {
			return ""
		}
		begin := 0
		for begin < min(len(prompt), len(whole)) && prompt[begin] == whole[begin] {
			begin++
		}
		whole = whole[begin:]
		if _, behind, thought := strings.Cut(whole, thoughtEnd); thought { // an empty one, which some templates show
			whole = strings.TrimLeft(behind, space)
		}
		for _, end := range ends {
			whole, _, _ = strings.Cut(whole, end)
		}
		return strings.TrimRight(whole, " \t\r\n")
	}

	before, rest, found := strings.Cut(answer(probeCall), probeTool)
	between, rest, called := cutArguments(rest)
	if !found || !called {
		return f, false
	}
	at := strings.LastIndexByte(before, '{') // where there is an object, the call is it
	if at < 0 {
		at = len(before)
	}
	f.Open, f.Name, f.Arguments, f.Close = before[:at], before[at:], between, rest

	// Two calls show what stands between them, and what behind the last.
	_, second, _ := strings.Cut(answer(probeCall+","+probeCall), probeTool)
	_, second, called = cutArguments(second)
	joint, last, found := strings.Cut(second, probeTool)
	_, last, more := cutArguments(last)
	if joint, fits := strings.CutSuffix(joint, f.Name); called && found && more && fits && last == f.Close {
		n := 0
		for n < min(len(joint), len(last)) && joint[n] == last[n] {
			n++
		}
		f.Close, f.Next, f.End = last[:n], joint[n:], last[n:]
	}
	return f, true
}

// cutArguments cuts a text around the probe's arguments.
func cutArguments(s string) (before, after string, ok bool) {
	for i := strings.IndexByte(s, '{'); i >= 0; {
		d := json.NewDecoder(strings.NewReader(s[i:]))
		var fields map[string]json.RawMessage
		if d.Decode(&fields) == nil && fields[probeKey] != nil {
			return s[:i], s[i+int(d.InputOffset()):], true
		}
		next := strings.IndexByte(s[i+1:], '{')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return "", "", false
}
