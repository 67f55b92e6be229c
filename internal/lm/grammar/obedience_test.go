package grammar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"
)

func strictly(schema []byte) (*Grammar, error) {
	return JSONSchema(context.Background(), schema, Strict, Limits{EnumValues: 5000, EnumText: 1 << 20})
}

func callsOf(tools []Tool, format ToolFormat, choice ToolChoice) (*Grammar, error) {
	return ToolCalls(context.Background(), tools, format, choice, Limits{})
}

// TestBuilt: keywords with a form that a grammar can have, and what always holds.
func TestBuilt(t *testing.T) {
	v := vocabulary(t, 900)
	for _, c := range []struct {
		schema, valid, invalid string // separated by spaces
	}{
		{`{"type":"number","multipleOf":0.25}`, "0 1 -3 2.5 0.75 12.25 -0.5", "0.3 1.125 2.500 1e3 0.1"},
		{`{"type":"integer","multipleOf":7}`, "0 7 -14 700", "1 8 7.0 15"},
		{`{"type":"number","multipleOf":20,"minimum":15,"maximum":100}`, "20 40 100", "0 10 15 50 120"},
		{`{"type":"integer","allOf":[{"multipleOf":4},{"multipleOf":6}]}`, "12 24 -36", "4 6 8 18"},
		{`{"multipleOf":0.1,"enum":[0.3,0.35,"x"]}`, `0.3 "x"`, "0.35"},
		{`{"type":"array","uniqueItems":true,"items":{"enum":["a","b",1]}}`, `[] ["a"] ["b","a"] [1,"a","b"]`, `["a","a"] ["a",1,"a"] ["c"]`},
		{`{"type":"array","uniqueItems":true,"minItems":2,"maxItems":2,"items":{"$ref":"#/$defs/c"},"$defs":{"c":{"type":"string","enum":["a","b","c"]}}}`, `["a","c"]`, `["a"] ["a","b","c"] ["b","b"]`},
		{`{"type":"array","uniqueItems":true,"maxItems":1,"items":{"type":"string"}}`, `[] ["x"]`, `["x","x"]`},
		{`{"type":["string","null"],"not":{"enum":["no",null]}}`, `"yes" "n" "noo"`, `"no" null`},
		{`{"not":{"const":"x"},"enum":["x","y"]}`, `"y"`, `"x"`},
		{`{"type":["string","number","null"],"not":{"type":["string","null"]}}`, `1 2.5`, `"a" null`},
		{`{"type":"string","not":{"pattern":"^a"}}`, `"" "ba"`, `"a" "ab"`},
		{`{"type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"null"}}`, `{} {"k":null}`, `{"k":1}`},
		{`{"type":"object","propertyNames":{"enum":["a","b"]},"additionalProperties":{"type":"null"}}`, `{} {"a":null} {"b":null,"a":null}`, `{"c":null} {"":null}`},
		{`{"type":"object","properties":{"ab":{},"xy":{}},"propertyNames":{"anyOf":[{"pattern":"^a"},{"const":"q"}]},"additionalProperties":true}`, `{"ab":1} {"q":1,"ac":2}`, `{"xy":1} {"z":1}`},
		{`{"type":"string","format":"byte"}`, `"" "YWI=" "YQ==" "YWJj"`, `"a" "YW=" "Y-Ij"`},
		{`{"type":"string","format":"uri-reference"}`, `"" "a/b" "/a?x=1#f" "https://example.org/a" "#x" "../a"`, `"a%zz" "<" "a#b#c"`},
		{`{"type":"array","items":[{"type":"string"},{"type":"null"}],"additionalItems":{"type":"integer"}}`, `[] ["a"] ["a",null,1,2]`, `[1] ["a",1] ["a",null,"b"]`},
		{`{"type":"array","items":[{"type":"string"}],"additionalItems":false}`, `[] ["a"]`, `["a","b"]`},
		{`{"type":"array","items":[{"const":1}]}`, `[1]`, `[1,1]`},
		{`{"type":"integer","exclusiveMinimum":true,"minimum":3,"exclusiveMaximum":false,"maximum":5}`, `4 5`, `3 6`},
		{`{"type":"object","minProperties":1,"maxProperties":2,"additionalProperties":{"type":"null"}}`, `{"a":null} {"a":null,"b":null}`, `{} {"a":null,"b":null,"c":null}`},
		{`{"type":"object","maxProperties":0}`, `{}`, `{"a":1}`},
		{`{"properties":{"a":{"const":1},"b":{"const":1},"c":{"const":1}},"minProperties":2,"maxProperties":2}`, `{"a":1,"b":1} {"a":1,"c":1} {"b":1,"c":1}`, `{} {"a":1} {"b":1} {"a":1,"b":1,"c":1}`},
		{`{"properties":{"a":{"const":1},"b":{"const":1}},"required":["b"],"minProperties":2,"additionalProperties":{"const":2}}`, `{"a":1,"b":1} {"b":1,"z":2}`, `{"b":1} {"a":1,"z":2}`},
		{`{"type":"object","patternProperties":{"^x":{"const":1}}}`, `{} {"x":1} {"x1":1,"xy":1}`, `{"x":2} {"y":1}`},
		{`{"properties":{"xa":{},"b":{"const":3}},"patternProperties":{"^x":{"type":"integer"},"a$":{"type":["integer","null"]}},"additionalProperties":{"type":"string"},"required":["xq"]}`,
			`{"xa":1,"b":3,"xq":2,"za":null,"xz":4,"s":"t"} {"xq":0}`, `{"xa":null,"xq":1} {"xq":"a"} {"xq":1,"za":"s"} {"xq":1,"xza":null} {"xq":1,"s":1} {}`},
		{`{"allOf":[{"patternProperties":{"^a":{"type":"integer"}},"additionalProperties":false},{"patternProperties":{"b$":{"minimum":3}}}]}`, `{} {"a":1,"ab":3}`, `{"ab":1} {"b":3}`},
		{`{"oneOf":[{"type":"object","patternProperties":{"^k":{"const":1}},"required":["k"]},{"type":"object","patternProperties":{"^k":{"const":2}},"required":["k"]}]}`, `{"k":1} {"k":2,"kk":2}`, `{"k":1,"kk":2} {}`},
		{`{"type":"string","pattern":"^(?=.*[A-Z])(?=.*\\d)(?!.*x)[A-Za-z\\d]{3,5}$"}`, `"A1b" "1aA"`, `"aa1" "AAA" "A1x" "A1" "A1bcde" "A1-"`},
		{`{"type":"string","pattern":"^(?P<y>\\d)-(?<m>\\_+)$","contentSchema":{"type":"x"},"$anchor":"a","$vocabulary":{}}`, `"1-_" "2-__"`, `"1" "1-"`},
		{`{"type":"string","pattern":"(?!a|b)(?:c|[ad])+"}`, `"c" "da" "cz"`, `"ac" "b" ""`},
		{`{"type":"string","format":"uri","maxLength":2083,"minLength":1}`, `"https://example.org/a?b=c#d"`, `"" "x"`},
		{`{"type":"string","pattern":"^(?:ab)*$","minLength":4,"maxLength":60000}`, `"abab" "abababab"`, `"" "ab" "abc"`},
		{`{"type":"string","format":"binary"}`, `"" "x"`, `1`},
		{`{"type":"string","format":"password"}`, `"x"`, `1`},
		{`{"format":"path"}`, `"/a/b"`, `1`},
	} {
		g, err := strictly([]byte(c.schema))
		if !assert.NoError(t, err, c.schema) {
			continue
		}
		for _, text := range strings.Fields(c.valid) {
			assert.True(t, takesText(t, g, v, text), "%s: %s", c.schema, text)
		}
		for _, text := range strings.Fields(c.invalid) {
			assert.False(t, takesText(t, g, v, text), "%s: %s", c.schema, text)
		}
		assert.Empty(t, g.Ignored())
	}
}

// TestLeftOut: what is not strict is taken whatever it has, and what was left out is named.
func TestLeftOut(t *testing.T) {
	v := vocabulary(t, 900)
	for _, c := range []struct {
		schema  string
		ignored []string
		valid   string
		invalid string
	}{
		{`{"type":"object","properties":{"s":{"type":"string","markdownDescription":"x","zzz":{"a":1}}},"required":["s"]}`,
			[]string{"#/properties/s/markdownDescription", "#/properties/s/zzz"}, `{"s":"a"}`, `{"s":1}`},
		{`{"type":"array","items":{"type":"string"},"uniqueItems":true,"contains":{"const":1}}`, []string{"#/contains", "#/uniqueItems"}, `["a","a"]`, `[1]`},
		{`{"oneOf":[{"type":"string","maxLength":3},{"type":"string"}],"discriminator":{"propertyName":"k"}}`, []string{"#/discriminator", "#/oneOf"}, `"abcd"`, `1`},
		{`{"type":"string","format":"color"}`, []string{"#/format"}, `"red"`, `1`},
		{`{"type":"string","pattern":"a(?=b)b"}`, []string{"#/pattern"}, `"red"`, `1`},
		{`{"type":"string","pattern":"^(?=a)b|c"}`, []string{"#/pattern"}, `"red"`, `1`},
		{`{"type":"object","minProperties":2,"additionalProperties":true}`, []string{"#/minProperties"}, `{}`, `1`},
		{`{"patternProperties":{"(":{}},"properties":{"a":{"type":"null"}}}`, []string{"#/patternProperties/("}, `{"a":null}`, `{"a":1}`},
		{`{"type":"string","pattern":"^(a|b)*a(a|b){8}$","maxLength":4095}`, []string{"#/pattern"}, `"red"`, `1`},
		{`{"properties":{"a":1,"b":{"required":true}}}`, []string{"#/properties/a", "#/properties/b/required"}, `{"a":3}`, `{"c":1}`},
		{`{"type":["string","any"]}`, []string{"#/type"}, `"a"`, ``},
		{`{"properties":{"a":{"type":"string","enum":[]}},"required":["a"]}`, []string{"#/properties/a/enum"}, `{"a":"x"}`, `{"a":1}`},
		{`{"$ref":"https://example.org/x","type":"string"}`, []string{"#/$ref"}, `"a"`, `1`},
		{`{"type":"string","maxLength":1000000}`, []string{"#/maxLength"}, `"a"`, `1`},
		{`{"type":"integer","minimum":3,"maximum":2}`, []string{"#"}, `"a"`, ``},
		{`{"type":"array","minItems":60000,"items":{"type":"array","minItems":60000}}`, []string{"#"}, `"a"`, ``},
	} {
		g, err := JSONSchema(t.Context(), []byte(c.schema), BestEffort, Limits{})
		if !assert.NoError(t, err, c.schema) {
			continue
		}
		var paths []string
		for _, i := range g.Ignored() {
			assert.Equal(t, -1, i.Tool)
			paths = append(paths, i.Path)
		}
		assert.Equal(t, c.ignored, paths, c.schema)
		assert.True(t, takesText(t, g, v, c.valid), "%s: %s", c.schema, c.valid)
		if c.invalid != "" {
			assert.False(t, takesText(t, g, v, c.invalid), "%s: %s", c.schema, c.invalid)
		}
		_, err = strictly([]byte(c.schema))
		assert.ErrorIs(t, err, ErrSchema, c.schema)
	}
}

func TestObedienceOfTools(t *testing.T) {
	const format = `{"properties":{"a":{"type":"string","format":"color"}}}`
	const odd, broken = `{"properties":{"a":{"type":"null","zzz":1}}}`, `{"properties":{"a":{"contains":{}}}}`
	tools := func(schema string, strict bool) []Tool {
		return []Tool{now, {Name: "f", Parameters: []byte(schema), Strict: strict}}
	}
	for _, c := range []struct {
		schema       string
		strict, text bool
		ignored      []Ignored
		fault        string
	}{
		{odd, false, true, []Ignored{{1, "#/properties/a/zzz"}}, ""},
		{odd, false, false, []Ignored{{1, "#/properties/a/zzz"}}, ""},
		{odd, true, true, nil, "#/properties/a/zzz"},
		{format, false, false, []Ignored{{1, "#/properties/a/format"}}, ""},
		{format, true, false, nil, "#/properties/a/format"},
		{broken, false, true, []Ignored{{1, "#/properties/a/contains"}}, ""},
		{broken, false, false, nil, "#/properties/a/contains"},
		{broken, true, true, nil, "#/properties/a/contains"},
		{`{"type":"array"}`, false, true, []Ignored{{1, "#"}}, ""},
		{`{"type":"array"}`, false, false, nil, "#"},
	} {
		g, err := callsOf(tools(c.schema, c.strict), hermes, ToolChoice{Text: c.text})
		if c.fault == "" {
			if assert.NoError(t, err, c) {
				assert.Equal(t, c.ignored, g.Ignored(), c)
			}
			continue
		}
		var e *ToolError
		var s *SchemaError
		if assert.ErrorAs(t, err, &e, c) && assert.ErrorAs(t, err, &s) {
			assert.Equal(t, 1, e.Tool)
			assert.Equal(t, c.fault, s.Path)
		}
	}
}

// TestCallOrAnswer: either a call, or text that follows a schema.
func TestCallOrAnswer(t *testing.T) {
	v := vocabulary(t, 1500)
	answer := ToolChoice{Text: true, Parallel: true, Answer: []byte(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`)}
	for _, f := range []ToolFormat{hermes, llama, listed} {
		g, err := callsOf([]Tool{weather, now}, f, answer)
		require.NoError(t, err)
		one := f.Open + f.Name + "now" + f.Arguments + "{}" + f.Close + f.End
		assert.True(t, takesText(t, g, v, one), one)
		assert.True(t, takesText(t, g, v, `{"a": "<tool_call>"}`))
		for _, text := range []string{"", "hello", "hello" + one, `{"a":1}`, one + `{"a":"x"}`, `{"a":"x"}` + one} {
			assert.False(t, takesText(t, g, v, text), text)
		}
		for range 5 {
			write(t, g, v, rand.New(rand.NewPCG(1, 2)))
		}
	}
	answer.Answer = []byte(`{"contains":{}}`)
	_, err := callsOf([]Tool{now}, hermes, answer)
	var e *ToolError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, -1, e.Tool)
	answer.Mode = BestEffort
	g, err := callsOf([]Tool{now}, hermes, answer)
	require.NoError(t, err)
	assert.Equal(t, []Ignored{{-1, "#/contains"}}, g.Ignored())
}

// TestLimits: enums are bounded whatever obedience is asked for.
func TestLimits(t *testing.T) {
	long := `{"enum":[` + repeat(251, `"`+strings.Repeat("x", 60)+`#"`) + `]}`
	for _, c := range []struct {
		schema  string
		limits  Limits
		refused string
	}{
		{`{"enum":[` + repeat(1000, "#") + `]}`, Limits{}, ""},
		{`{"enum":[` + repeat(1001, "#") + `]}`, Limits{}, "#/enum"},
		{`{"properties":{"a":{"enum":[` + repeat(600, "#") + `]},"b":{"enum":[` + repeat(600, "#") + `]}}}`, Limits{}, "#/properties/b/enum"},
		{`{"enum":[` + repeat(1001, "#") + `]}`, Limits{EnumValues: 1001}, ""},
		{long, Limits{}, "#/enum"},
		{long, Limits{EnumText: 20000}, ""},
		{`{"enum":[` + repeat(250, `"`+strings.Repeat("x", 70)+`#"`) + `]}`, Limits{}, ""},
	} {
		for _, mode := range []Obedience{Strict, BestEffort} {
			_, err := JSONSchema(t.Context(), []byte(c.schema), mode, c.limits)
			if c.refused == "" {
				assert.NoError(t, err, "%.40s", c.schema)
				continue
			}
			var e *SchemaError
			if assert.ErrorAs(t, err, &e, "%.40s", c.schema) {
				assert.Equal(t, c.refused, e.Path)
			}
		}
	}
}

// TestCancelled: compiling ends with its context.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := JSONSchema(ctx, []byte(`{"oneOf":[`+repeat(200, `{"type":"string","pattern":"^x{1,500}#$"}`)+`]}`), BestEffort, Limits{})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Less(t, time.Since(start), 5*time.Second)
}

// TestCacheBounds: grammars are compiled a few at a time, waiting for that ends with the context, one that somebody else
// has compiled meanwhile is taken, and the oldest go when all together are too large.
func TestCacheBounds(t *testing.T) {
	const atOnce = 1 // with more, one that ends early lets a third in before the first is kept
	c := Cache{Busy: semaphore.NewWeighted(atOnce)}
	entered, release := make(chan struct{}, 10), make(chan struct{})
	slow := func() (*Grammar, error) {
		entered <- struct{}{}
		<-release
		return JSONObject(), nil
	}
	var all sync.WaitGroup
	for i := range atOnce {
		all.Go(func() { _, _ = c.Get(t.Context(), fmt.Sprint(i), slow) })
	}
	for range atOnce {
		<-entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := c.Get(ctx, "x", slow)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	all.Go(func() { _, _ = c.Get(t.Context(), "0", slow) })
	close(release)
	all.Wait()
	assert.Empty(t, entered, "nobody compiles what is there")

	large := JSONObject()
	large.size = maxGrammarBytes
	_, err = c.Get(t.Context(), "large", func() (*Grammar, error) { return large, nil })
	require.NoError(t, err)
	assert.Len(t, c.used, 1)
}

// TestManyUnknownKeywords: what is left out is told in part; each was once looked for among all others, which took minutes.
func TestManyUnknownKeywords(t *testing.T) {
	var keys strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&keys, `,"zzz%d":1`, i)
	}
	g, err := JSONSchema(t.Context(), []byte(`{"type":"string"`+keys.String()+`}`), BestEffort, Limits{})
	require.NoError(t, err)
	assert.Len(t, g.Ignored(), maxIgnored)
}
