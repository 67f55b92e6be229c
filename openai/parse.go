package openai

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	maxDetails = 32   // in one error object
	maxFaults  = 1024 // kept until they are sorted
	maxIgnored = 32
)

// Limits are the bounds of a request that the server chooses. The zero value has the defaults.
type Limits struct {
	MaxMessages  int  // 0: 2048
	MaxN         int  // answers per request; 0: 8
	StrictFields bool // undocumented fields are an error instead of being ignored
}

// form collects what is wrong with one body. Reading goes on after a fault, so that all are reported together.
type form struct {
	body    []byte
	faults  []fault
	count   int // of faults, kept or not
	strict  bool
	ignored []string
}

// parseRequest reads a body that is one JSON object into r, and tells which of its fields had no effect. The error is an *[Error].
func parseRequest[T any](body []byte, l Limits, r *T, ignored *[]string, read func(s *fieldSet, l Limits)) (*T, error) {
	if l.MaxMessages == 0 {
		l.MaxMessages = 2048
	}
	if l.MaxN == 0 {
		l.MaxN = 8
	}
	root, err := parseJSON(body)
	if err != nil {
		return nil, NewError(CodeInvalidJSON, err.Error())
	}
	f := &form{body: body, strict: l.StrictFields}
	place{node: root, f: f}.open(func(s *fieldSet) { read(s, l) })
	if e := f.err(); e != nil {
		return nil, e
	}
	*ignored = f.ignored
	return r, nil
}

type fault struct {
	pos    int // where in the body; faults are told in this order
	code   Code
	detail Detail
}

// place is a value and how to get there from the body's root, which is written out only for a fault.
type place struct {
	node
	f     *form
	up    *place // nil: this is the root
	name  string // in the object above
	index int    // in the list above, unless key
	key   bool
}

// loc is the way to the place, without "body".
func (p *place) loc() []any {
	switch {
	case p.up == nil:
		return nil
	case p.key:
		return append(p.up.loc(), p.name)
	default:
		return append(p.up.loc(), p.index)
	}
}

// fault types, the values of Detail.Type
const (
	missing     = "missing"
	mistyped    = "type"
	outOfRange  = "range"
	enum        = "enum"
	tooShort    = "too_short"
	tooLong     = "too_long"
	unsupported = "unsupported"
	malformed   = "format"
	conflict    = "conflict"
)

// fault notes what is wrong with the value.
func (p place) fault(typ, message string) { p.coded(CodeValidation, typ, message) }

func (p place) coded(code Code, typ, message string) {
	p.f.count++
	if len(p.f.faults) < maxFaults {
		loc := p.loc()
		d := Detail{Field: fieldName(loc), Loc: append([]any{"body"}, loc...), Message: message, Type: typ}
		p.f.faults = append(p.f.faults, fault{p.pos, code, d})
	}
}

// refuse notes that the field is documented by OpenAI but not offered here.
func (p place) refuse(message string) { p.coded(CodeUnsupportedParameter, unsupported, message) }

// err is the error object for all faults, or nil. Its code, param and message are those of the first.
func (f *form) err() *Error {
	if f.count == 0 {
		return nil
	}
	slices.SortStableFunc(f.faults, func(a, b fault) int { return a.pos - b.pos })
	first := f.faults[0]
	e := NewError(first.code, first.detail.Field+": "+first.detail.Message)
	if f.count > 1 {
		e.Message += fmt.Sprintf(" (and %d more)", f.count-1)
	}
	for _, x := range f.faults[:min(len(f.faults), maxDetails)] {
		e.Details = append(e.Details, x.detail)
	}
	return e.WithParam(first.detail.Field)
}

// fieldName writes ["messages",0,"role"] as messages[0].role.
func fieldName(loc []any) string {
	if len(loc) == 0 {
		return "body"
	}
	var b strings.Builder
	for i, step := range loc {
		switch s := step.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(s) + "]")
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s)
		}
	}
	return b.String()
}

// fieldSet is an object being read: every field that is asked for is crossed off, what is left was not known.
type fieldSet struct {
	place
	left []field
}

// set opens an object; ok is false, with the fault noted, for anything else.
func (p place) set() (s *fieldSet, ok bool) {
	if !p.is(object) {
		return nil, false
	}
	return &fieldSet{p, slices.Clone(p.fields)}, true
}

// in is the place of a field of an object.
func (p *place) in(name string, n node) place {
	return place{node: n, f: p.f, up: p, name: name, key: true}
}

// at is the place of an item of a list.
func (p *place) at(i int, n node) place {
	return place{node: n, f: p.f, up: p, index: i}
}

// take crosses a field off. JSON null is the same as no field at all.
func (s *fieldSet) take(name string) (place, bool) {
	i := slices.IndexFunc(s.left, func(f field) bool { return f.name == name })
	if i < 0 {
		return s.in(name, node{pos: math.MaxInt}), false // faults of what is not there come last
	}
	v := s.left[i].value
	s.left = slices.Delete(s.left, i, i+1)
	return s.in(name, v), v.kind != null
}

// finish deals with the fields that nobody took.
func (s *fieldSet) finish() {
	for _, x := range s.left {
		name := x.name
		if len(name) > 64 {
			name = strings.ToValidUTF8(name[:64], "") + "…"
		}
		p := s.in(name, x.value)
		if s.f.strict {
			p.coded(CodeUnknownParameter, unsupported, "is not a known field")
		} else {
			p.ignore()
		}
	}
}

// ignore names a value that has no effect here.
func (p place) ignore() {
	if len(p.f.ignored) < maxIgnored {
		p.f.ignored = append(p.f.ignored, fieldName(p.loc()))
	}
}

// effort takes how long a model shall think, which none is told here.
func (s *fieldSet) effort(name string) {
	if p, ok := s.given(name, text); ok && p.text != "none" {
		p.ignore()
	}
}

// refuse takes fields that OpenAI documents and docent does not offer.
func (s *fieldSet) refuse(names ...string) {
	for _, name := range names {
		if p, ok := s.take(name); ok {
			p.refuse("is not supported")
		}
	}
}

// kinds say in errors what a value must be.
var kinds = [...]string{boolean: "true or false", number: "a number", text: "a string", array: "a list", object: "an object"}

// is tells whether a value is of a kind, and notes the fault if not.
func (p place) is(k kind) bool {
	if p.kind != k {
		p.fault(mistyped, "must be "+kinds[k])
	}
	return p.kind == k
}

// given takes a field that may be absent; ok is false for one that is not of the kind, too.
func (s *fieldSet) given(name string, k kind) (p place, ok bool) {
	p, ok = s.take(name)
	return p, ok && p.is(k)
}

// must takes a field that may not be absent.
func (s *fieldSet) must(name string) (p place, ok bool) {
	if p, ok = s.take(name); !ok {
		p.fault(missing, "is required")
	}
	return p, ok
}

// inside reads the object that a field may hold.
func (s *fieldSet) inside(name string, read func(*fieldSet)) {
	if p, ok := s.take(name); ok {
		p.open(read)
	}
}

// open reads an object whole.
func (p place) open(read func(*fieldSet)) {
	if s, ok := p.set(); ok {
		read(s)
		s.finish()
	}
}

// each goes through the items of a list; anything else has none.
func (p place) each(yield func(int, place) bool) {
	for i, item := range p.items {
		if !yield(i, p.at(i, item)) {
			return
		}
	}
}

// entries goes through the fields of an object whose keys are free.
func (p place) entries(yield func(string, place) bool) {
	for _, x := range p.fields {
		if !yield(x.name, p.in(x.name, x.value)) {
			return
		}
	}
}

// oneOf tells whether a value is one of these texts.
func (p place) oneOf(values ...string) bool {
	known := p.is(text) && slices.Contains(values, p.text)
	if p.kind == text && !known {
		p.fault(enum, "must be one of "+strings.Join(values, ", "))
	}
	return known
}

// sized tells whether a value is a list of one to so many things.
func (p place) sized(what string, most int) bool {
	switch {
	case !p.is(array):
	case len(p.items) == 0:
		p.fault(tooShort, "must have at least one "+what)
	case len(p.items) > most:
		p.fault(tooLong, fmt.Sprintf("must have at most %d %ss", most, what))
	default:
		return true
	}
	return false
}

func (s *fieldSet) boolean(name string) bool {
	p, _ := s.given(name, boolean)
	return p.text == "true"
}

func (s *fieldSet) text(name string) string {
	p, _ := s.given(name, text)
	return p.text
}

// required is a text that has to be there.
func (s *fieldSet) required(name string) string {
	p, ok := s.must(name)
	if ok {
		p.is(text)
	}
	return p.text
}

// needed is a text that has to be there and not empty.
func (s *fieldSet) needed(name string) string {
	p, ok := s.must(name)
	if ok {
		p.filled()
	}
	return p.text
}

// filled is a text that is not empty.
func (p place) filled() string {
	if p.is(text) && p.text == "" {
		p.fault(tooShort, "must not be empty")
	}
	return p.text
}

// number reads a field between low and high, both allowed.
func (s *fieldSet) number(name string, low, high float64) *float64 {
	if p, ok := s.take(name); ok {
		return p.float(low, high)
	}
	return nil
}

func (p place) float(low, high float64) *float64 {
	if !p.is(number) {
		return nil
	}
	v, err := strconv.ParseFloat(p.node.text, 64) // an error here is overflow, and v is infinite
	if err != nil || v < low || v > high {
		p.fault(outOfRange, fmt.Sprintf("must be between %v and %v", low, high))
		return nil
	}
	return &v
}

// integer reads a field between low and high, both allowed.
func (s *fieldSet) integer(name string, low, high int64) *int64 {
	if p, ok := s.take(name); ok {
		return p.integer(low, high)
	}
	return nil
}

// integer takes 2.0 and 1e2 for integers, as JSON Schema does; 2.5 and "2" are none.
func (p place) integer(low, high int64) *int64 {
	if p.kind != number {
		p.fault(mistyped, "must be an integer")
		return nil
	}
	v, err := strconv.ParseInt(p.node.text, 10, 64)
	if err != nil {
		f, _ := strconv.ParseFloat(p.node.text, 64)
		switch {
		case math.Abs(f) < 1<<53 && f != math.Trunc(f):
			p.fault(mistyped, "must be an integer")
			return nil
		case math.Abs(f) < 1<<53:
			v = int64(f)
		case f > 0 && low >= 0 && high == unbounded: // 1e30 is as much as can be had
			v = high
		default: // not exact any more as a float, or beyond int64
			p.fault(outOfRange, rangeText(low, high))
			return nil
		}
	}
	if v < low || v > high {
		p.fault(outOfRange, rangeText(low, high))
		return nil
	}
	return &v
}

func rangeText(low, high int64) string {
	if low >= 0 && high == unbounded {
		return fmt.Sprintf("must be at least %d", low)
	}
	return fmt.Sprintf("must be between %d and %d", low, high)
}

const unbounded = math.MaxInt64

// small is integer for fields that become an int. Of one without an upper bound what does not fit into 31 bits is as good as
// the most that does.
func (s *fieldSet) small(name string, low, high int64) *int {
	v := s.integer(name, low, high)
	if v == nil {
		return nil
	}
	n := int(min(*v, math.MaxInt32))
	return &n
}

// free turns a value of no fixed shape into Go values: int64 or float64 for numbers.
func (p place) free() any {
	switch p.kind {
	case boolean:
		return p.node.text == "true"
	case text:
		return p.node.text
	case number:
		if v, err := strconv.ParseInt(p.node.text, 10, 64); err == nil {
			return v
		}
		if v := p.float(-math.MaxFloat64, math.MaxFloat64); v != nil {
			return *v
		}
		return nil
	case array:
		list := make([]any, len(p.items))
		for i, x := range p.each {
			list[i] = x.free()
		}
		return list
	case object:
		m := make(map[string]any, len(p.fields))
		for name, x := range p.entries {
			m[name] = x.free()
		}
		return m
	default:
		return nil
	}
}
