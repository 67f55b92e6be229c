// Package grammar keeps a language model to a form while it writes: JSON that fits a schema, any JSON object, or calls of
// tools. A [Grammar] is a pushdown automaton over bytes, compiled once. A [Vocabulary] knows what each token writes. A
// [State] follows one text and tells, before each token, which ones may come next.
//
//	g, err := grammar.JSONSchema(ctx, schema, grammar.Strict, grammar.Limits{})
//	if err != nil {
//		return err // a *SchemaError names the place
//	}
//	state, mask := g.Start(vocabulary), make([]uint64, vocabulary.Words())
//	for !state.Final() {
//		state.Mask(mask)
//		id := sample(logits, mask)
//		if state.Accept(id); end[id] {
//			break
//		}
//	}
//
// Whatever is drawn from the masks, a text that was not cut off is valid for the schema. The reverse holds within the
// forms that are written usually: properties stand in the order of the schema; where a schema declares properties
// (prefixItems), others (further items) are allowed only if additionalProperties (items) is there; white space is none, a
// space, or a line break with an indent, and stands behind brackets, commas and colons and before closing brackets;
// numbers have up to 21 digits before the point and 24 behind it; strings under a pattern, format or enum escape only what
// has to be, and with a length as well may have to be shorter than it allows. A keyword that cannot be kept is refused, or
// left out and named, as the [Obedience] says: contains, if and the like, uniqueItems of other items than a few values, not of
// more than a type, strings or a pattern, references out of the document, and oneOf whose schemas are not told apart by their
// types, values or required properties.
//
// Masks are kept by state of the automaton, apart from the stack, and shared by all texts of a grammar.
//
// Grammar, Vocabulary and Cache may be shared by goroutines. A State belongs to one.
package grammar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// What a grammar may take. Schemas come from strangers: each bound turns what would hang or fill the memory into an
// error at compile time, or, for the depth, into an end to further nesting.
const (
	maxDepth        = 64      // values within values
	maxNesting      = 128     // of the schema as JSON
	maxStates       = 1 << 17 // of the automaton
	maxLanguage     = 4096    // states of one pattern
	maxMatching     = 1 << 23 // steps to find them
	maxAlternatives = 256     // of one schema, after anyOf, oneOf and allOf are multiplied out
	maxWork         = 1 << 18 // schemas looked at for that
	maxCount        = 1 << 16 // minItems, maxLength and so on
	maxIndent       = 32      // white space behind a line break
	maxSets         = 2048    // that one text keeps in memory
	maxCached       = 16 << 20
)

// ErrSchema marks a schema that cannot be kept to.
var ErrSchema = errors.New("unsupported schema")

// SchemaError says where a schema has what cannot be kept to, as a JSON pointer (#/properties/x/contains), and why.
type SchemaError struct {
	Path   string
	Reason string

	at     *value // what can be left out to mend it; nil: nothing in particular
	schema bool   // at stands where a schema should
	limit  bool
}

func (e *SchemaError) Error() string { return "grammar: " + e.Path + ": " + e.Reason }

// Is says that every error of this type is an ErrSchema.
func (e *SchemaError) Is(target error) bool {
	return target == ErrSchema || e.limit && target == errLimit
}

// Grammar is a form that texts are kept to. Apart from what it remembers of masks it does not change.
type Grammar struct {
	net     *network
	ignored []Ignored

	mu     sync.RWMutex
	locals map[localKey]*local
	cached int // bytes of locals
	size   int // bytes of net
}

// JSONSchema compiles a schema of the dialect 2020-12. Errors are [*SchemaError] or that of ctx.
func JSONSchema(ctx context.Context, schema []byte, mode Obedience, limits Limits) (*Grammar, error) {
	g, err := jsonSchema(ctx, schema, mode, limits)
	if mode.hopeless(ctx, err) {
		if g, err = jsonSchema(ctx, []byte("{}"), mode, limits); err == nil {
			g.ignored = []Ignored{{-1, "#"}}
		}
	}
	return g, err
}

func jsonSchema(ctx context.Context, schema []byte, mode Obedience, limits Limits) (*Grammar, error) {
	root, err := parse(schema, limits)
	if err != nil {
		return nil, err
	}
	b := newBuilder(ctx)
	end := b.state()
	b.states[end].final = true
	ignored, err := b.schema(b.rules[0].start, end, root, conjunction{root}, mode)
	if err != nil {
		return nil, err
	}
	g, err := newGrammar(b)
	if err == nil {
		err = g.fulfils(g.net.rules[0].start)
	}
	if err != nil {
		return nil, err
	}
	g.ignored = leftOut(nil, -1, ignored)
	return g, nil
}

const maxIgnored = 32

// leftOut adds what was left out of one schema.
func leftOut(all []Ignored, tool int, paths []string) []Ignored {
	for _, path := range paths {
		if i := (Ignored{tool, path}); len(all) < maxIgnored && !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all
}

// JSONObject is the grammar of any JSON object.
func JSONObject() *Grammar {
	b := newBuilder(context.Background())
	end := b.state()
	b.states[end].final = true
	if _, err := b.schema(b.rules[0].start, end, object, conjunction{object}, Strict); err != nil {
		panic(err) // a fault of this package: the schema is fixed
	}
	g, err := newGrammar(b)
	if err != nil {
		panic(err)
	}
	return g
}

// object is the schema of any object; no document has a value of its number.
var object = &value{
	kind: isObject, id: -1, keys: []string{"type"}, fields: map[string]*value{"type": {kind: isString, text: "object"}},
}

// schema reads a document that fits all of some schemas, whose references are relative to root, and tells what of them
// was left out.
func (b *builder) schema(from, to int32, root *value, all conjunction, mode Obedience) (ignored []string, err error) {
	c := newCompiler(b, root)
	c.mode = mode
	b.call(from, c.rule(all), to)
	err = c.run()
	return c.ignored, err
}

// newGrammar is what was built. Whether it can be fulfilled is the caller's to ask, who knows which part to name.
func newGrammar(b *builder) (*Grammar, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	b.finish()
	net := b.network // without the builder and its context
	g := &Grammar{net: &net, locals: map[localKey]*local{}}
	for i := range net.states {
		s := &net.states[i]
		g.size += 96 + 8*cap(s.edges) + 4*cap(s.eps) + 8*cap(s.calls)
	}
	return g, nil
}

// bytes is about the memory that the grammar holds.
func (g *Grammar) bytes() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.size + g.cached
}

// fulfils tells whether what begins in a state of the document can be brought to its end.
func (g *Grammar) fulfils(state int32) error {
	switch need := g.net.states[state].need; {
	case need >= never:
		return &SchemaError{Path: "#", Reason: "no document satisfies the schema"}
	case need > maxDepth:
		return &SchemaError{Path: "#", Reason: fmt.Sprintf("every document is nested deeper than %d", maxDepth)}
	}
	return nil
}
