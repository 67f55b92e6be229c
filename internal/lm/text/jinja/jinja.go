// Package jinja renders chat templates as transformers does with Jinja2's ImmutableSandboxedEnvironment
// (trim_blocks, lstrip_blocks, loop controls, the generation tag).
//
// The parser follows that of Jinja2. gonja is a library for this; its parser differs in conditional expressions, in, escapes and white
// space, where a chat template has to give the very characters that the model was trained on. Templates come from strangers and
// run in a server: every step and every byte that one makes is counted, so that none can hang, exhaust memory or overflow the
// stack.
//
//	t, err := jinja.Compile(source)
//	out, err := t.Render(map[string]any{"messages": messages}, jinja.Options{})
//
// Values given to Render are nil, bool, integers, floats, strings, []any, map[string]any (whose keys are sorted) and
// json.RawMessage (whose keys keep their order), or one of these in [Mapped]. A Template is safe for concurrent use.
package jinja

import (
	"fmt"
	"strings"
	"time"
)

// The limits are far above what chat templates need and far below what hurts.
const (
	maxSource = 1 << 20 // bytes of template
	maxNest   = 200     // expressions and blocks inside each other
	maxDepth  = 1000    // of evaluation, macro calls included
	maxSteps  = 4 << 20 // evaluated nodes; making text costs one step for each costBytes bytes
	costBytes = 64
	maxString = 64 << 20 // bytes of one string
)

// Error is a template that does not parse, that refuses its input by raise_exception, or that fails or exceeds its
// limits while it renders.
type Error struct {
	Line    int // of the template, counted from 1; 0 if unknown
	Message string
	Raised  bool // the template itself called raise_exception
}

func (e *Error) Error() string {
	if e.Line == 0 || e.Raised {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// Template is a compiled template.
type Template struct {
	root []stmt
	// Generation tells whether the template marks the assistant's text by the generation tag.
	Generation bool
}

// Options of one rendering.
type Options struct {
	Now time.Time // what strftime_now formats; zero: the present
}

// Output is rendered text and where in it the generation tag stood, as pairs of byte offsets.
type Output struct {
	Text      string
	Generated [][2]int
}

// Compile parses a template. Tags, filters and tests that are not implemented are refused here, by name.
func Compile(source string) (t *Template, err error) {
	defer catch(&err)
	if len(source) > maxSource {
		fail("template has %d bytes, more than %d", len(source), maxSource)
	}
	p := &parser{tokens: lex(source), filters: allFilters()}
	t = &Template{}
	t.root, _ = p.block()
	t.Generation = p.generation
	return t, nil
}

// Render executes the template. Failures are an [*Error].
func (t *Template) Render(vars map[string]any, o Options) (out Output, err error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	r := &renderer{now: o.Now, filters: allFilters(), out: &strings.Builder{}}
	defer catch(&err)
	r.scope = &scope{vars: r.globals()}
	for name, value := range vars {
		r.scope.vars[name] = fromGo(value)
	}
	if r.run(t.root) != flowNext {
		fail("break or continue outside of a loop")
	}
	return Output{Text: r.out.String(), Generated: r.generated}, nil
}

// fail leaves the evaluation; catch turns it into the error of the exported function. As in text/template, a panic
// is the way out of deep recursion and does not cross the package.
func fail(format string, args ...any) { failAt(0, format, args...) }

func failAt(line int, format string, args ...any) {
	panic(&Error{Line: line, Message: fmt.Sprintf(format, args...)})
}

func catch(err *error) {
	switch v := recover().(type) {
	case nil:
	case *Error:
		*err = v
	default: // a fault of this package: still the template's error, never the program's end
		*err = &Error{Message: fmt.Sprintf("internal fault: %v", v)}
	}
}
