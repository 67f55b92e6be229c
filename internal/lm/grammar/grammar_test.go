package grammar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// vocabulary is like that of a byte-level tokenizer: all bytes, and words and pieces of JSON of all lengths, in
// part across the borders of tokens, and characters cut in two. The last token ends a text, the one before it is special.
func vocabulary(t testing.TB, size int) *Vocabulary {
	t.Helper()
	var tokens []string
	seen := map[string]bool{}
	add := func(s string) {
		if !seen[s] && len(tokens) < size-2 {
			seen[s] = true
			tokens = append(tokens, s)
		}
	}
	for b := range 256 {
		add(string([]byte{byte(b)}))
	}
	for _, s := range strings.Fields(`{" {} "} "}, }, }} }]} [] [[ ]] "] "], ": ": "," ", " ":" {"name ":{ ":[ ":"" :true :null true false null
		\" \\ \n \u \u00 00 \ud8 \ud83d "a "b ab ba name ame "name" kind value items ":1 ":0 .5 e+ e- 10 100 -1 12 2024 -01- T12: :00Z 1-2
		é ü ñ 日 日本 本語 😀 “ ” … 0a 0b ff @ .com a@b http :// https://`) {
		add(s)
		add(" " + s)
	}
	for n := range 20 {
		add(strings.Repeat(" ", n+1))
		add("\n" + strings.Repeat(" ", n))
		add(strings.Repeat("\t", n+1))
	}
	for _, s := range []string{"日", "😀", "é", "\u2028"} {
		for i := 1; i < len(s); i++ {
			add(s[:i])
			add(s[i:])
			add(s[i:] + `"`)
			add("x" + s[:i])
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "etaoinshrdlucmfwypvbgkqjxz"
	for len(tokens) < size-2 {
		word := make([]byte, 2+random.IntN(8))
		for i := range word {
			word[i] = letters[int(float64(len(letters))*random.Float64()*random.Float64())]
		}
		s := string(word)
		switch random.IntN(40) {
		case 0:
			s += `"`
		case 1:
			s = `"` + s
		case 2:
			s += `",`
		case 3:
			s += `":`
		case 4:
			s = strings.ToUpper(s)
		case 5:
			s += "\n"
		default:
			if random.IntN(2) == 0 {
				s = " " + s
			}
		}
		add(s)
	}
	v, err := NewVocabulary(size, func(id int) []byte {
		if id >= len(tokens) {
			return nil
		}
		return []byte(tokens[id])
	}, size-1)
	require.NoError(t, err)
	return v
}

// cases are schemas with documents that fit them in the order of the schema, and documents that do not.
var cases = []struct {
	name, schema string
	valid        []string
	invalid      []string
}{
	{"any", `{}`, []string{`null`, `[1,"a",{"b":[]}]`, `-0.5e-07`, `""`}, []string{`nul`, `01`, `[1,]`, `{"a"}`, `"` + "\n" + `"`, ` 1`, `1 `}},
	{"types", `{"type":["string","null"]}`, []string{`null`, `"é\u00e9\ud83d\ude00😀\n"`}, []string{`1`, `"\ud83d"`, `"\ude00"`, "\"\xff\"", "\"\xed\xa0\x80\""}},
	{"object", `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age"],"additionalProperties":false}`,
		[]string{`{"name":"x","age":3}`, `{"name":"","age":-12,"tags":[]}`, `{"name":"q","age":0,"tags":["a","b"]}`},
		[]string{`{}`, `{"name":"x"}`, `{"name":"x","age":3.5}`, `{"name":"x","age":3,"z":1}`, `{"name":"x","age":3,}`, `{,"name":"x","age":3}`, `{"name":"x","age":-0}`}},
	{"optional", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3},"d":{"const":4}},"required":["c"]}`,
		[]string{`{"c":3}`, `{"a":1,"c":3}`, `{"a":1,"b":2,"c":3,"d":4}`, `{"b":2,"c":3,"d":4}`, `{"c":3,"d":4}`}, []string{`{}`, `{"a":1}`, `{"c":3,"a":1}`, `{"c":3,"c":3}`, `{"d":4}`}},
	{"all optional", `{"properties":{"a":{"type":"null"},"b":{"type":"null"}}}`, []string{`{}`, `{"a":null}`, `{"b":null}`, `{"a":null,"b":null}`}, []string{`{"c":null}`, `{"b":null,"a":null}`}},
	{"additional", `{"type":"object","properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"boolean"}}`,
		[]string{`{}`, `{"ab":1,"a":true,"abc":false,"":true,"\"":true}`, `{"x":true}`}, []string{`{"ab":true}`, `{"a":true,"ab":true}`, `{"a":1}`}},
	{"map", `{"type":"object","additionalProperties":{"type":"number"}}`, []string{`{}`, `{"a":1,"b":2.5}`, `{"\u0041":1e5}`}, []string{`{"a":"b"}`, `[]`}},
	{"array", `{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3}`, []string{`[1,2]`, `[1,2,3]`}, []string{`[]`, `[1]`, `[1,2,3,4]`, `[1,"a"]`}},
	{"array min", `{"type":"array","items":{"type":"boolean"},"minItems":1}`, []string{`[true]`, `[true,false,true,true]`}, []string{`[]`}},
	{"tuple", `{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":1}`, []string{`[1]`, `[1,"a"]`}, []string{`[]`, `["a"]`, `[1,"a",2]`}},
	{"tuple open", `{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"string"}}`, []string{`[]`, `[1]`, `[1,"a","b"]`}, []string{`["a"]`, `[1,1]`}},
	{"enum", `{"enum":["red","green\n",1,null,[1,"x"],{"a":{}}]}`, []string{`"red"`, `"green\n"`, `1`, `null`, `[1,"x"]`, `{"a":{}}`}, []string{`"blue"`, `2`, `"re"`}},
	{"enum typed", `{"type":"string","enum":["a","b",3],"maxLength":1}`, []string{`"a"`, `"b"`}, []string{`3`}},
	{"lengths", `{"type":"string","minLength":2,"maxLength":3}`, []string{`"ab"`, `"日本語"`, `"\n\n"`, `"😀\ud83d\ude00"`}, []string{`""`, `"a"`, `"abcd"`}},
	{"long", `{"type":"string","maxLength":500}`, []string{`""`, `"` + strings.Repeat("a", 500) + `"`}, []string{`"` + strings.Repeat("a", 501) + `"`}},
	{"min length", `{"type":"string","minLength":60}`, []string{`"` + strings.Repeat("b", 60) + `"`, `"` + strings.Repeat("b", 99) + `"`}, []string{`"` + strings.Repeat("b", 59) + `"`}},
	{"pattern", `{"type":"string","pattern":"^[A-Z]{2}-\\d+$"}`, []string{`"AB-1"`, `"XY-123"`}, []string{`"AB-"`, `"ab-1"`, `"AB-1 "`, `"AB-1`}},
	{"pattern found", `{"type":"string","pattern":"[a-eB]+[a-zé\"\\\\]"}`, []string{`"abé"`, `"b\"x"`, `"aBb\\"`}, []string{`"zb"`, `"é"`, `""`}},
	{"pattern length", `{"type":"string","pattern":"^(ab)*$","minLength":3,"maxLength":5}`, []string{`"abab"`}, []string{`"ab"`, `"ababab"`, `""`}},
	{"date-time", `{"type":"string","format":"date-time"}`, []string{`"2024-02-29T23:59:00Z"`, `"1999-12-31T00:00:00.25+01:00"`}, []string{`"2023-02-29T00:00:00Z"`, `"2024-13-01T00:00:00Z"`, `"2024-02-29"`}},
	{"date", `{"type":"string","format":"date"}`, []string{`"2000-02-29"`, `"2024-04-30"`}, []string{`"1900-02-29"`, `"2024-04-31"`}},
	{"time", `{"type":"string","format":"time"}`, []string{`"10:20:30Z"`}, []string{`"25:00:00Z"`}},
	{"duration", `{"type":"string","format":"duration"}`, []string{`"P3W"`, `"P1Y2M3DT4H5M6S"`, `"PT5M"`}, []string{`"P"`, `"PT"`, `"P1S"`}},
	{"uuid", `{"type":"string","format":"uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123e4567"`}},
	{"email", `{"type":"string","format":"email"}`, []string{`"a.b+c@example.org"`}, []string{`"a"`, `"a@"`, `"a..b@c"`, `".a@b"`}},
	{"hostname", `{"type":"string","format":"hostname"}`, []string{`"www.example.org"`}, []string{`"-a"`, `"a-"`, `"a..b"`}},
	{"ipv4", `{"type":"string","format":"ipv4"}`, []string{`"127.0.0.1"`, `"255.255.255.255"`}, []string{`"256.0.0.1"`, `"01.0.0.1"`}},
	{"ipv6", `{"type":"string","format":"ipv6"}`, []string{`"::"`, `"::1"`, `"2001:db8::8a2e:370:7334"`, `"1:2:3:4:5:6:7:8"`}, []string{`"1:2"`, `"1::2::3"`}},
	{"uri", `{"type":"string","format":"uri"}`, []string{`"https://example.org/a/b?c=d#e"`, `"http://x:80"`}, []string{`"example"`, `"http://a b"`}},
	{"integers", `{"type":"integer","minimum":-5,"exclusiveMaximum":120}`, []string{`-5`, `-1`, `0`, `7`, `99`, `119`}, []string{`-6`, `120`, `1000`, `-10`, `1.5`, `-0`}},
	{"from", `{"type":"integer","minimum":42}`, []string{`42`, `100`, `99999999`}, []string{`41`, `5`, `-42`}},
	{"negative", `{"type":"integer","maximum":-3}`, []string{`-3`, `-10`}, []string{`-2`, `0`, `3`, `-1`}},
	{"share", `{"type":"number","minimum":0,"maximum":1}`, []string{`0`, `1`, `0.5`, `1.0`, `0.000`}, []string{`1.01`, `-0.1`, `2`, `1e-1`, `10`}},
	{"open", `{"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":2.25}`, []string{`-1.4`, `-1.49`, `0`, `2.2`, `2.249`}, []string{`-1.5`, `-1.50`, `2.25`, `2.250`, `3`, `-2`}},
	{"int32", `{"type":"integer","format":"int32"}`, []string{`2147483647`, `-2147483648`}, []string{`2147483648`, `-2147483649`}},
	{"anyOf", `{"anyOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},"required":["kind","x"]},{"type":"object","properties":{"kind":{"const":"ab"},"y":{"type":"string"}},"required":["kind","y"]},{"type":"null"}]}`,
		[]string{`null`, `{"kind":"a","x":1}`, `{"kind":"ab","y":""}`}, []string{`{"kind":"a","y":""}`, `{"kind":"ab","x":1}`}},
	{"oneOf", `{"oneOf":[{"type":"integer","maximum":5},{"type":"integer","minimum":6,"maximum":9},{"type":"string"},{"type":"object","properties":{"t":{"enum":["p","q"]}},"required":["t"]},{"type":"object","properties":{"t":{"const":"r"},"u":true},"required":["t"]}]}`,
		[]string{`5`, `6`, `"a"`, `{"t":"p"}`, `{"t":"r","u":[1]}`}, []string{`10`, `{"t":"p","u":1}`, `{"t":"z"}`}},
	{"anyOf beside", `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]}`,
		[]string{`{"id":1,"a":1}`, `{"id":1,"b":2}`}, []string{`{"id":1}`, `{"a":1}`}},
	{"allOf", `{"allOf":[{"properties":{"a":{"type":["integer","string"]}},"required":["a"]},{"$ref":"#/$defs/more"}],"$defs":{"more":{"properties":{"a":{"type":["integer","null"],"minimum":3},"b":{"type":"null"}}}}}`,
		[]string{`{"a":3}`, `{"a":4,"b":null}`}, []string{`{"a":2}`, `{"a":"x"}`, `{"a":null}`}},
	{"recursive", `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}}}`,
		[]string{`{"v":1,"next":null}`, `{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`}, []string{`{"v":1}`, `{"v":1,"next":1}`}},
	{"tree", `{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#"}}},"required":["children"]}`,
		[]string{`{"children":[]}`, `{"children":[{"children":[{"children":[]}]},{"children":[]}]}`}, []string{`{"children":[1]}`}},
	{"escaped names", `{"properties":{"a/b":{"$ref":"#/$defs/x~1y%20z"},"\"\n":{"type":"null"}},"$defs":{"x/y z":{"type":"null"}},"required":["a/b"]}`, []string{`{"a/b":null,"\"\n":null}`}, []string{`{"a/b":1}`}},
	{"false inside", `{"anyOf":[{"type":"array","items":false},{"properties":{"a":false,"b":{"const":1}}}]}`, []string{`[]`, `{}`, `{"b":1}`}, []string{`[1]`, `{"a":1}`}},
	{"ambiguous", `{"$defs":{"n":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/n"}},{"type":"array","items":{"$ref":"#/$defs/n"},"maxItems":3},{"const":0}]}},"$ref":"#/$defs/n"}`,
		[]string{`0`, `[[[[[[0],0]],0,0,0]]]`}, []string{`1`}},
	{"annotations", `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.org/x","title":"t","description":"d","default":1,"examples":[1],"deprecated":true,"$comment":"c","x-order":1,"type":"null"}`, []string{`null`}, nil},
}

func validator(t testing.TB, schema string) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("test:schema", document))
	s, err := c.Compile("test:schema")
	require.NoError(t, err)
	return s
}

func validates(s *jsonschema.Schema, text string) error {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(document)
}

// tokenise cuts a text into tokens of v: greedily, or at random, or into bytes.
func tokenise(v *Vocabulary, text string, choose func(n int) int) (ids []int) {
	index := map[string]int{}
	for _, id := range v.ids {
		index[string(v.tokens[id])] = int(id)
	}
	for len(text) > 0 {
		var fits []int
		for n := 1; n <= min(v.longest, len(text)); n++ {
			if id, ok := index[text[:n]]; ok {
				fits = append(fits, id)
			}
		}
		id := fits[choose(len(fits))]
		ids = append(ids, id)
		text = text[len(v.tokens[id]):]
	}
	return ids
}

func has(mask []uint64, id int) bool { return mask[id>>6]>>(id&63)&1 == 1 }

// takes reports whether g takes a whole text; Mask and Accept have to agree about each token.
func takes(t testing.TB, g *Grammar, v *Vocabulary, ids []int) bool {
	s, mask := g.Start(v), make([]uint64, v.Words())
	for _, id := range ids {
		s.Mask(mask)
		allowed := has(mask, id)
		require.Equal(t, allowed, s.Accept(id), "%q", v.tokens[id])
		if !allowed {
			return false
		}
	}
	return s.Done()
}

func takesText(t testing.TB, g *Grammar, v *Vocabulary, text string) bool {
	random := rand.New(rand.NewPCG(3, 4))
	bytewise := takes(t, g, v, tokenise(v, text, func(int) int { return 0 }))
	for _, choose := range []func(int) int{func(n int) int { return n - 1 }, random.IntN, random.IntN} {
		require.Equal(t, bytewise, takes(t, g, v, tokenise(v, text, choose)), text)
	}
	return bytewise
}

func indent(t testing.TB, text, by string) string {
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, []byte(text), "", by))
	return out.String()
}

// spaced writes a document as Python does.
func spaced(text string) string {
	var out strings.Builder
	inside := false
	for i := range len(text) {
		out.WriteByte(text[i])
		if text[i] == '"' && (i == 0 || text[i-1] != '\\') {
			inside = !inside
		}
		if !inside && (text[i] == ',' || text[i] == ':') {
			out.WriteByte(' ')
		}
	}
	return out.String()
}

func TestDocuments(t *testing.T) {
	v := vocabulary(t, 3000)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, err := strictly([]byte(c.schema))
			require.NoError(t, err)
			s := validator(t, c.schema)
			for _, text := range c.valid {
				require.NoError(t, validates(s, text), text)
				for _, form := range []string{text, indent(t, text, "  "), indent(t, text, "\t"), spaced(text)} {
					assert.True(t, takesText(t, g, v, form), form)
				}
			}
			for _, text := range c.invalid {
				assert.False(t, takesText(t, g, v, text), text)
			}
		})
	}
}

// write draws tokens from the masks until the text has to end, or may end and is long enough.
func write(t testing.TB, g *Grammar, v *Vocabulary, random *rand.Rand) string {
	s, mask := g.Start(v), make([]uint64, v.Words())
	var text []byte
	for n := 0; ; n++ {
		s.Mask(mask)
		var ids []int
		for i, w := range mask {
			for ; w != 0; w &= w - 1 {
				ids = append(ids, i*64+bits.TrailingZeros64(w))
			}
		}
		require.NotEmpty(t, ids, "dead end behind %q", text)
		require.False(t, has(mask, v.size-2), "a special token behind %q", text)
		require.Equal(t, s.Done(), has(mask, v.size-1))
		if s.Final() {
			require.Equal(t, []int{v.size - 1}, ids)
		}
		id := ids[random.IntN(len(ids))]
		if n > 40 {
			id = home(v, mask, id)
		}
		if has(mask, v.size-1) && (n > 40 || random.IntN(3) == 0) {
			id = v.size - 1
		}
		require.True(t, s.Accept(id))
		if id == v.size-1 {
			return string(text)
		}
		text = append(text, v.tokens[id]...)
		require.Less(t, n, 3000, "no end of %.200q", text)
	}
}

// home chooses a token that brings a document to its end, else the one given.
func home(v *Vocabulary, mask []uint64, otherwise int) int {
	order := `}]"0n`
	if has(mask, 'z') && has(mask, '"') { // within a string
		order = `"`
	}
	for _, b := range []byte(order) { // the first tokens are the bytes
		if has(mask, int(b)) {
			return int(b)
		}
	}
	return otherwise
}

func TestWritten(t *testing.T) {
	v := vocabulary(t, 3000)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, err := strictly([]byte(c.schema))
			require.NoError(t, err)
			s := validator(t, c.schema)
			random := rand.New(rand.NewPCG(5, 6))
			for range 30 {
				text := write(t, g, v, random)
				require.NoError(t, validates(s, text), text)
			}
		})
	}
}

func TestJSONObject(t *testing.T) {
	v := vocabulary(t, 3000)
	g := JSONObject()
	random := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		var object map[string]any
		text := write(t, g, v, random)
		require.NoError(t, json.Unmarshal([]byte(text), &object), text)
	}
	assert.False(t, takesText(t, g, v, `[1]`))
}

// TestMaskIsExact holds every bit of every mask against reading the token.
func TestMaskIsExact(t *testing.T) {
	v := vocabulary(t, 1500)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, err := strictly([]byte(c.schema))
			require.NoError(t, err)
			random, mask := rand.New(rand.NewPCG(9, 10)), make([]uint64, v.Words())
			for range 2 {
				s := g.Start(v)
				for range 25 {
					s.Mask(mask)
					var ids []int
					for id := range v.Size() {
						probe := *s
						require.Equal(t, probe.Accept(id), has(mask, id), "%q", v.tokens[id])
						if has(mask, id) {
							ids = append(ids, id)
						}
					}
					require.True(t, s.Accept(ids[random.IntN(len(ids))]))
				}
			}
		})
	}
}

// TestDepth goes as deep as it gets and still finds the way out.
func TestDepth(t *testing.T) {
	v := vocabulary(t, 1500)
	for _, schema := range []string{
		`{}`, `{"type":"array","items":{"$ref":"#"}}`,
		`{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#"},{"type":"array","items":{"type":"array","minItems":1,"items":{"type":"array"}}}]}},"required":["a"]}`,
	} {
		g, err := strictly([]byte(schema))
		require.NoError(t, err)
		s, mask, text := g.Start(v), make([]uint64, v.Words()), []byte(nil)
		depth, deepest := 0, 0
		for !s.Done() {
			s.Mask(mask)
			for id := range v.Size() {
				probe := *s
				require.Equal(t, probe.Accept(id), has(mask, id), "%q behind %q", v.tokens[id], text)
			}
			chosen, order := -1, `{["a:}]`
			if has(mask, 'z') && has(mask, '"') { // within a string
				order = `"`
			}
			for _, b := range []byte(order) {
				if has(mask, int(b)) {
					chosen = int(b)
					break
				}
			}
			require.GreaterOrEqual(t, chosen, 0, "%s", text)
			require.True(t, s.Accept(chosen))
			text = append(text, byte(chosen))
			switch chosen {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			deepest = max(deepest, depth)
			require.Less(t, len(text), 1000, "%.300s", text)
		}
		assert.True(t, json.Valid(text), "%s", text)
		assert.Greater(t, deepest, maxDepth-4)
		assert.LessOrEqual(t, deepest, maxDepth)
	}
}

// TestManyProperties writes objects with required and optional properties in any number.
func TestManyProperties(t *testing.T) {
	v := vocabulary(t, 1500)
	random := rand.New(rand.NewPCG(11, 12))
	for range 60 {
		n := random.IntN(40)
		properties, required := make([]string, n), []string{}
		for i := range properties {
			properties[i] = fmt.Sprintf(`"%c%d":{"type":"integer","minimum":0,"maximum":9}`, 'a'+random.IntN(26), i)
			if random.IntN(3) == 0 {
				required = append(required, fmt.Sprintf("%q", strings.Split(properties[i], `"`)[1]))
			}
		}
		schema := fmt.Sprintf(`{"type":"object","properties":{%s},"required":[%s],"additionalProperties":%t}`,
			strings.Join(properties, ","), strings.Join(required, ","), random.IntN(2) == 0)
		g, err := strictly([]byte(schema))
		require.NoError(t, err, schema)
		s := validator(t, schema)
		for range 5 {
			text := write(t, g, v, random)
			require.NoError(t, validates(s, text), text)
		}
		// Any choice that keeps the order and the required ones is read.
		var members []string
		for i, p := range properties {
			name := strings.Split(p, `"`)[1]
			if random.IntN(2) == 0 || strings.Contains(strings.Join(required, ","), `"`+name+`"`) {
				members = append(members, fmt.Sprintf(`"%s":%d`, name, i%10))
			}
		}
		assert.True(t, takesText(t, g, v, "{"+strings.Join(members, ",")+"}"))
	}
}

// TestSharing uses one grammar and one vocabulary from many goroutines.
func TestSharing(t *testing.T) {
	v := vocabulary(t, 1500)
	g, err := strictly([]byte(`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string","maxLength":20},"b":{}}}}`))
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for range 5 {
				text := write(t, g, v, random)
				assert.True(t, json.Valid([]byte(text)), text)
			}
		})
	}
	group.Wait()
}

// TestCompact makes one text visit more sets than are kept.
func TestCompact(t *testing.T) {
	v := vocabulary(t, 1500)
	g, err := strictly([]byte(`{"type":"array","items":{"type":"string","maxLength":5000}}`))
	require.NoError(t, err)
	s, mask := g.Start(v), make([]uint64, v.Words())
	for i, b := range []byte(`["` + strings.Repeat("ab", 2500) + `", "` + strings.Repeat("c", 5000)) {
		s.Mask(mask)
		require.True(t, has(mask, int(b)), i)
		require.True(t, s.Accept(int(b)))
		require.LessOrEqual(t, len(s.m.sets), 2*maxSets)
	}
	s.Mask(mask)
	assert.False(t, has(mask, 'c'))
	assert.True(t, s.Accept('"'))
	assert.True(t, s.Accept(']'))
	assert.True(t, s.Final())
}

func TestEnd(t *testing.T) {
	v := vocabulary(t, 1500)
	g, err := strictly([]byte(`{"type":"integer"}`))
	require.NoError(t, err)
	s, mask := g.Start(v), make([]uint64, v.Words())
	end := v.Size() - 1
	assert.False(t, s.Accept(end))
	assert.False(t, s.Accept(-1))
	assert.False(t, s.Accept(v.Size()))
	assert.False(t, s.Accept(end-1))
	require.True(t, s.Accept('7'))
	assert.True(t, s.Done())
	assert.False(t, s.Final())
	require.True(t, s.Accept(end))
	assert.True(t, s.Final())
	assert.False(t, s.Accept('7'))
	s.Mask(mask)
	assert.Equal(t, []uint64{1 << (end & 63)}, mask[end>>6:])
	assert.Equal(t, make([]uint64, end>>6), mask[:end>>6])
	_, err = NewVocabulary(10, func(int) []byte { return nil }, 10)
	assert.Error(t, err)
}

// TestNobodyWaits: whoever has left before the work begins gets no grammar, and breaks nothing.
func TestNobodyWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, mode := range []Obedience{Strict, Assertions, BestEffort} {
		_, err := JSONSchema(ctx, []byte(`{"type":"object","properties":{"a":{"type":"string"}}}`), mode, Limits{})
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err := ToolCalls(ctx, []Tool{{Name: "f"}}, ToolFormat{Open: "<c>", Name: "<f=", Arguments: ">", Close: "</f>"}, ToolChoice{Text: true}, Limits{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestHopelessTools: a function whose arguments nothing fits is named, also where it is the only one and must be called.
func TestHopelessTools(t *testing.T) {
	format := ToolFormat{Open: "<c>", Name: "<f=", Arguments: ">", Close: "</f>"}
	for _, schema := range []string{
		`{"not":{}}`, `{"enum":[]}`, `{"type":"string"}`, `{"allOf":[{"type":"string"},{"type":"integer"}]}`, `{"type":"integer","minimum":5,"maximum":1}`,
		`{"type":"object","properties":{"a":false},"required":["a"]}`,
	} {
		for _, tools := range [][]Tool{{{Name: "f", Parameters: []byte(schema)}}, {{Name: "g"}, {Name: "f", Parameters: []byte(schema)}}} {
			_, err := ToolCalls(t.Context(), tools, format, ToolChoice{}, Limits{})
			fault, ok := errors.AsType[*ToolError](err)
			require.True(t, ok, "%s: %v", schema, err)
			assert.Equal(t, len(tools)-1, fault.Tool)
			require.ErrorIs(t, err, ErrSchema)
		}
	}
}
