package grammar

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	weather = Tool{Name: "get_weather", Parameters: []byte(`{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city"],"additionalProperties":false}`)}
	now     = Tool{Name: "now"}

	hermes = ToolFormat{Open: "<tool_call>\n", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}\n</tool_call>", Next: "\n<tool_call>\n"}
	llama  = ToolFormat{Name: `{"name": "`, Arguments: `", "parameters": `, Close: "}"}
	listed = ToolFormat{Open: "<tool_call>[", Name: `{"name": "`, Arguments: `", "arguments": `, Close: "}", Next: ", ", End: "]</tool_call>"}
)

func TestToolCalls(t *testing.T) {
	v := vocabulary(t, 1500)
	const (
		one = "<tool_call>\n" + `{"name": "get_weather", "arguments": {"city": "Bonn"}}` + "\n</tool_call>"
		two = one + "\n<tool_call>\n" + `{"name": "now", "arguments": {}}` + "\n</tool_call>"
	)
	for _, c := range []struct {
		name    string
		format  ToolFormat
		choice  ToolChoice
		valid   []string
		invalid []string
	}{
		{"required", hermes, ToolChoice{}, []string{one, strings.ReplaceAll(strings.ReplaceAll(one, "\n", ""), " ", "")},
			[]string{"", "hello", two, "a" + one, strings.Replace(one, "Bonn", "Bonn\n", 1), strings.Replace(one, "get_weather", "now", 1), strings.Replace(one, "city", "town", 1)}},
		{"parallel", hermes, ToolChoice{Parallel: true}, []string{one, two, two + "\n" + one}, []string{"", "hello", one + "hello"}},
		{"auto", hermes, ToolChoice{Text: true, Parallel: true}, []string{"", "hello 日本", "<", "<tool_cal", "<<tool_call>" + two[len("<tool_call>"):], one, "Let me see.\n" + two, "a < b <tool_ca"},
			[]string{"<tool_call>", "hello <tool_call> world", one + "\nhello", "x" + one[:30], "\xff"}},
		{"auto one", hermes, ToolChoice{Text: true}, []string{"hello", one}, []string{two}},
		{"llama", llama, ToolChoice{Parallel: true}, []string{`{"name": "now", "parameters": {}}`, `{"name": "get_weather", "parameters": {"city": "x", "days": 3}}`},
			[]string{"hello", `{"name": "now", "parameters": {"a": 1}}`, `{"name": "none", "parameters": {}}`}},
		{"llama auto", llama, ToolChoice{Text: true}, []string{"", "hello {", `{"name": "now", "parameters": {}}`}, []string{"{", `{"name": "now"}`}},
		{"list", listed, ToolChoice{Parallel: true}, []string{`<tool_call>[{"name": "now", "arguments": {}}]</tool_call>`, `<tool_call>[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]</tool_call>`},
			[]string{`<tool_call>[]</tool_call>`, `<tool_call>[{"name": "now", "arguments": {}}`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := callsOf([]Tool{weather, now}, c.format, c.choice)
			require.NoError(t, err)
			for _, text := range c.valid {
				assert.True(t, takesText(t, g, v, text), text)
			}
			for _, text := range c.invalid {
				assert.False(t, takesText(t, g, v, text), text)
			}
			random := rand.New(rand.NewPCG(13, 14))
			for range 10 {
				text := write(t, g, v, random)
				if start := strings.Index(text, `{"name"`); start >= 0 && !c.choice.Text {
					var call map[string]any
					require.NoError(t, json.NewDecoder(strings.NewReader(text[start:])).Decode(&call), text)
				}
			}
		})
	}
}

func TestToolFaults(t *testing.T) {
	_, err := callsOf([]Tool{{Name: "a b"}}, hermes, ToolChoice{})
	assert.ErrorContains(t, err, `"a b"`)
	_, err = callsOf([]Tool{now, {Name: "f", Parameters: []byte(`{"properties":{"x":{"contains":{}}}}`)}}, hermes, ToolChoice{})
	var e *SchemaError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "#/properties/x/contains", e.Path)
	assert.ErrorContains(t, err, "tool f")
	_, err = callsOf([]Tool{{Name: "f", Parameters: []byte(`{"type":"array"}`)}}, hermes, ToolChoice{})
	assert.ErrorIs(t, err, ErrSchema)
	_, err = callsOf([]Tool{now, {Name: "f", Parameters: []byte(`{"type":"array"}`)}}, hermes, ToolChoice{})
	assert.ErrorIs(t, err, ErrSchema, "a tool that cannot be called is told even if others can")
	_, err = callsOf(nil, hermes, ToolChoice{})
	assert.Error(t, err)
}

func TestCache(t *testing.T) {
	var c Cache
	compiled := 0
	get := func(schema string) *Grammar {
		g, err := c.Get(t.Context(), schema, func() (*Grammar, error) { compiled++; return strictly([]byte(schema)) })
		require.NoError(t, err)
		return g
	}
	first := get(`{"type":"null"}`)
	assert.Same(t, first, get(`{"type":"null"}`))
	for i := range maxGrammars {
		get(fmt.Sprintf(`{"const":%d}`, i))
		if i == maxGrammars/2 {
			assert.Same(t, first, get(`{"type":"null"}`))
		}
	}
	assert.Same(t, first, get(`{"type":"null"}`))
	assert.Equal(t, maxGrammars+1, compiled)
	get(`{"const":0}`) // was pushed out
	assert.Equal(t, maxGrammars+2, compiled)
	assert.Len(t, c.used, maxGrammars)
	_, err := c.Get(t.Context(), "x", func() (*Grammar, error) { return nil, errors.New("no") })
	assert.EqualError(t, err, "no")
}

// TestForgets bounds what a grammar remembers of masks.
func TestForgets(t *testing.T) {
	v := vocabulary(t, 1500)
	g, err := strictly([]byte(`{"type":"array","items":{"type":"string","maxLength":30}}`))
	require.NoError(t, err)
	g.cached = maxCached
	s, mask := g.Start(v), make([]uint64, v.Words())
	s.Mask(mask)
	assert.Less(t, g.cached, maxCached/2)
	assert.Len(t, g.locals, 1)
}
