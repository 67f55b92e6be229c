package dataset_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

const weatherCall = `[{"id":"c1","type":"function","function":{"name":"f","arguments":{"x":1}}}]`

func TestReadRows(t *testing.T) {
	type m = dataset.Message
	hello := []m{{Role: "user", Content: "q"}, {Role: "assistant", Content: "a"}}
	for text, want := range map[string]struct {
		form dataset.Form
		row  dataset.Row
	}{
		`{"text": "t", "id": 7}`:              {dataset.FormText, dataset.Row{ID: "7", Text: "t"}},
		`{"prompt": "p", "completion": " c"}`: {dataset.FormCompletion, dataset.Row{Prompt: "p", Completion: " c"}},
		`{"prompt": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, {"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}`: {
			dataset.FormCompletion, dataset.Row{Messages: append([]m{{Role: "user", Content: "x"}, {Role: "assistant", Content: "y", Given: true}}, hello...)}},
		`{"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a", "weight": 1}]}`: {dataset.FormMessages, dataset.Row{Messages: hello}},
		`{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": 0}, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "reasoning_content": "r"}]}`: {
			dataset.FormMessages, dataset.Row{Messages: []m{hello[0], {Role: "assistant", Content: "a", Given: true}, hello[0], {Role: "assistant", Content: "a", Reasoning: "r"}}}},
		`{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]}, {"role": "tool", "tool_call_id": "c1", "content": ""}, {"role": "assistant", "content": "a"}], "tools": "[{}]"}`: {
			dataset.FormMessages, dataset.Row{Tools: []byte("[{}]"), Messages: []m{hello[0], {Role: "assistant", ToolCalls: []byte(weatherCall)}, {Role: "tool", ToolCallID: "c1"}, hello[1]}}},
		`{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": {}}}, {"role": "function", "name": "f", "content": "1"}, {"role": "assistant", "content": "a"}]}`: {
			dataset.FormMessages, dataset.Row{Messages: []m{hello[0], {Role: "assistant", ToolCalls: []byte(`[{"type":"function","function":{"name":"f","arguments":{}}}]`)}, {Role: "tool", Name: "f", Content: "1"}, hello[1]}}},
		`{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": "s"}`: {
			dataset.FormShareGPT, dataset.Row{Messages: append([]m{{Role: "system", Content: "s"}}, hello...)}},
		`{"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"x\": 1}}"}, {"from": "observation", "value": "1"}, {"from": "gpt", "value": "a"}]}`: {
			dataset.FormShareGPT, dataset.Row{Messages: []m{hello[0], {Role: "assistant", ToolCalls: []byte(`[{"type":"function","function":{"name":"f","arguments":{"x":1}}}]`)}, {Role: "tool", Content: "1"}, hello[1]}}},
		`{"conversations": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`: {dataset.FormShareGPT, dataset.Row{Messages: hello}},
		`{"instruction": "i", "input": "q", "output": "a"}`:                                            {dataset.FormAlpaca, dataset.Row{Messages: []m{{Role: "user", Content: "i\nq"}, hello[1]}}},
		`{"instruction": "q", "input": "", "output": "a", "history": [["x", "y"]]}`: {
			dataset.FormAlpaca, dataset.Row{Messages: append([]m{{Role: "user", Content: "x"}, {Role: "assistant", Content: "y"}}, hello...)}},
	} {
		for _, file := range []string{text + "\n" + text, "[\n" + text + ",\n" + text + "]"} { // lines, or an array
			fsys := fstest.MapFS{"rows": {Data: []byte(file)}}
			form, err := dataset.DetectForm(fsys, "rows")
			require.NoError(t, err, text)
			assert.Equal(t, want.form, form, text)
			n := 0
			for row, err := range dataset.ReadRows(fsys, "rows", form) {
				require.NoError(t, err, text)
				assert.Equal(t, want.row, row, text)
				n++
			}
			assert.Equal(t, 2, n)
		}
	}
}

func TestReadRowsNamesLineAndField(t *testing.T) {
	const good = `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`
	for text, want := range map[string]string{
		`{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, {"role": "assistant", "content": "a"}]}`: `messages[0].content[0].type is "image_url"`,
		`{"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": "a"}]}`:                                     "messages[0].content is null",
		`{"messages": [{"content": "q"}, {"role": "assistant", "content": "a"}]}`:                                                      "messages[0].role is missing",
		`{"messages": [{"role": "user", "content": 7}, {"role": "assistant", "content": "a"}]}`:                                        "messages[0].content is 7",
		`{"messages": [{"role": "owner", "content": "q"}, {"role": "assistant", "content": "a"}]}`:                                     `messages[0].role is "owner"`,
		`{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [{"function": {}}]}]}`:                    "messages[1].tool_calls[0].function.name is missing",
		`{"messages": [{"role": "user", "content": "q"}]}`:                                                                             "the last message",
		`{"messages": []}`:                "messages is []",
		`{"conversations": []}`:           "messages is missing",
		`{"messages": "x"}`:               `messages is "x"`,
		`{"messages": [{}], "tools": {}}`: "tools is {}",
	} {
		fsys := fstest.MapFS{"rows.jsonl": {Data: []byte(good + "\n" + text + "\n" + good + "\n")}}
		var faults, rows int
		for _, err := range dataset.ReadRows(fsys, "rows.jsonl", dataset.FormMessages) {
			if err == nil {
				rows++
				continue
			}
			faults++
			line, ok := errors.AsType[*dataset.LineError](err)
			require.True(t, ok, text)
			assert.Equal(t, 2, line.Line)
			assert.ErrorIs(t, err, dataset.ErrRow)
			assert.ErrorContains(t, err, want)
		}
		assert.Equal(t, []int{1, 2}, []int{faults, rows}, text)
	}
	_, err := dataset.DetectForm(fstest.MapFS{"x": {Data: []byte(good + "\n" + `{"chosen": "a", "rejected": "b"}`)}}, "x")
	require.ErrorContains(t, err, "x:2: bad row: no form has the fields chosen, rejected")
	_, err = dataset.DetectForm(fstest.MapFS{"x": {Data: []byte(good + "\n" + `{"text": "a"}`)}}, "x")
	require.ErrorContains(t, err, "x:2: bad row: the form is text, that of the rows before messages")
	_, err = dataset.DetectForm(fstest.MapFS{"x": {}}, "x")
	require.ErrorIs(t, err, dataset.ErrEmpty)
}

// TestReadRowsOfAnArray: elements are named by the line on which they begin, and what follows one that does not fit is read.
func TestReadRowsOfAnArray(t *testing.T) {
	const row = "{\n  \"instruction\": \"q\",\n  \"output\": \"a\"\n }"
	for text, want := range map[string][]string{
		"\ufeff[\n " + row + ",\n 7, null,\n {\n  \"output\": \"a\"\n }, {\"instruction\": \"\xff\", \"output\": \"a\"},\n " + row + "\n]\n": {
			"x:6: bad row: json: cannot unmarshal number", "x:6: bad row: null", "x:7: bad row: instruction is missing", "x:9: bad row: not UTF-8",
		},
		"[" + row + ",\n" + row:           {"x:8: bad row: unexpected EOF"},
		"[" + row + ",\n" + row + "]\n{}": {"x:8: bad row: there is more behind the array"},
		"[" + row + "\n" + row + "]":      {"x:4: bad row: expected comma"},
	} {
		var rows int
		var faults []string
		for _, err := range dataset.ReadRows(fstest.MapFS{"x": {Data: []byte(text)}}, "x", dataset.FormAlpaca) {
			if err == nil {
				rows++
			} else {
				faults = append(faults, err.Error())
			}
		}
		assert.LessOrEqual(t, 1, rows)
		require.Len(t, faults, len(want), "%q", faults)
		for i := range want {
			assert.Contains(t, faults[i], want[i])
		}
	}
}
