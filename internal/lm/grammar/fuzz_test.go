package grammar

import (
	"bytes"
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// FuzzSchema compiles anything, in bounded time, and writes a document for what compiles. What the independent
// validator takes as a schema has to take that document.
func FuzzSchema(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.schema), uint64(1))
	}
	v := vocabulary(f, 900)
	f.Fuzz(func(t *testing.T, schema []byte, seed uint64) {
		if len(schema) > 4096 {
			return
		}
		start := time.Now()
		g, err := strictly(schema)
		if took := time.Since(start); took > time.Minute {
			t.Fatalf("compiling took %s", took)
		}
		if err != nil {
			return
		}
		text, ended := scribble(t, g, v, rand.New(rand.NewPCG(seed, 0)))
		if !ended {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("not JSON: %q", text)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
		if err != nil || strings.Contains(string(schema), "$schema") || strings.Contains(string(schema), "$id") {
			return // other dialects and bases are a matter of their own
		}
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if c.AddResource("test:schema", document) != nil {
			return
		}
		s, err := c.Compile("test:schema")
		if err != nil {
			return
		}
		if err := validates(s, string(text)); err != nil {
			t.Fatalf("%s\n%s", text, err)
		}
	})
}

// scribble writes a document of up to 200 tokens.
func scribble(t testing.TB, g *Grammar, v *Vocabulary, random *rand.Rand) (text []byte, ended bool) {
	s, mask := g.Start(v), make([]uint64, v.Words())
	for n := range 200 {
		s.Mask(mask)
		var ids []int
		for i, w := range mask {
			for ; w != 0; w &= w - 1 {
				ids = append(ids, i*64+bits.TrailingZeros64(w))
			}
		}
		if len(ids) == 0 {
			t.Fatalf("dead end behind %q", text)
		}
		id := ids[random.IntN(len(ids))]
		if n > 20 {
			id = home(v, mask, id)
		}
		if s.Done() && (n > 20 || random.IntN(2) == 0) {
			return text, true
		}
		if !s.Accept(id) {
			t.Fatalf("token %q was allowed behind %q", v.tokens[id], text)
		}
		if id == v.size-1 {
			return text, true
		}
		text = append(text, v.tokens[id]...)
	}
	return text, false
}

// FuzzText reads anything against fixed grammars: what is read to its end is JSON that the validator takes, whatever
// the tokens.
func FuzzText(f *testing.F) {
	v := vocabulary(f, 900)
	var grammars []*Grammar
	var schemas []*jsonschema.Schema
	for i, c := range cases {
		g, err := strictly([]byte(c.schema))
		if err != nil {
			f.Fatal(err)
		}
		grammars, schemas = append(grammars, g), append(schemas, validator(f, c.schema))
		for _, text := range append(c.valid, c.invalid...) {
			f.Add(text, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		if len(text) > 500 {
			return
		}
		i := int(which) % len(grammars)
		if takesText(t, grammars[i], v, text) {
			if err := validates(schemas[i], text); err != nil {
				t.Fatalf("%q: %s", text, err)
			}
		}
	})
}
