package config

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestObjectMembers(t *testing.T) {
	members, bad := parseObject([]byte("\ufeff{\r\n  \"a\": 1,\n\n  \"b\":\n   {\"x\": [1, 2]}, \"c\": \"\u00e9\"}\n"))
	require.Empty(t, bad)
	assert.Equal(t, []member{
		{"a", json.RawMessage("1"), 2}, {"b", json.RawMessage(`{"x": [1, 2]}`), 4}, {"c", json.RawMessage(`"é"`), 5},
	}, members)
}

func TestObjectFaults(t *testing.T) {
	for text, want := range map[string]lineErrorText{
		"":                         {1, "unexpected end of JSON input"},
		"{\n\"a\": 1,\n}":          {3, "invalid character '}'"},
		"{\"a\": 1}\n\n{}":         {3, "after top-level value"},
		"[1]":                      {1, "must hold one JSON object"},
		"\n3":                      {2, "must hold one JSON object"},
		"{\"a\": NaN}":             {1, "invalid character 'N'"},
		"{\n// no\n\"a\": 1}":      {2, "invalid character '/'"},
		"{\"a\": \"\xff\"}":        {1, "is not UTF-8 text"},
		"{\"a\":1,\n\n\"a\":2}":    {3, `duplicate key "a", first on line 1`},
		"{\"a\":1, \"\\u0061\":2}": {1, `duplicate key "a"`},
	} {
		_, bad := parseObject([]byte(text))
		require.Len(t, bad, 1, text)
		assert.Equal(t, want.line, bad[0].line, text)
		assert.ErrorContains(t, bad[0].err, want.text, text)
	}
}

type lineErrorText struct {
	line int
	text string
}

// FuzzObject: a file without faults holds exactly what encoding/json reads, and what encoding/json refuses is a fault.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"a":1,"b":[{}],"a":2}`, "{\"a\" :\n\"x\"} 2", "\ufeff{\"\\u0061\":null}", `[]`, `{"a":{"a":1,"a":2}}`, "{\"\xff\":1}", `{"a":1e400}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, bad := parseObject(data)
		text := data
		if len(text) >= 3 && string(text[:3]) == "\ufeff" {
			text = text[3:]
		}
		var whole map[string]json.RawMessage
		err := json.Unmarshal(text, &whole)
		if err != nil || !utf8.Valid(text) || whole == nil {
			require.NotEmpty(t, bad)
		}
		if len(bad) > 0 {
			return
		}
		require.NoError(t, err)
		require.Len(t, whole, len(members))
		for _, m := range members {
			require.Equal(t, string(whole[m.key]), string(m.raw))
			require.NotContains(t, " \t\r\n", string(m.raw[0]))
		}
	})
}
