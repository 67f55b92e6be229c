package lm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
)

// fields are the keys of a config.json, over the values that transformers assumes of absent ones. The getters collect
// the faults.
type fields struct {
	set      map[string]any
	defaults map[string]any
	source   []byte // what was read
	errs     []error
}

func readFields(data []byte) (*fields, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	f := &fields{source: data}
	if err := d.Decode(&f.set); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("there is something behind the object")
	}
	return f, nil
}

func (f *fields) fail(key, format string, args ...any) {
	f.errs = append(f.errs, fmt.Errorf("%s: %w", key, fmt.Errorf(format, args...)))
}

// refuse notes that a key asks for a part that docent does not compute.
func (f *fields) refuse(key, part string) {
	f.fail(key, "%w feature: it needs %s", ErrUnsupported, part)
}

// value is nil for a key that is null, or absent without a default.
func (f *fields) value(key string) any {
	if v, ok := f.set[key]; ok {
		return v
	}
	return f.defaults[key]
}

// float tells whether the key has a number, and which.
func (f *fields) float(key string) (float64, bool) {
	switch v := f.value(key).(type) {
	case nil:
		return 0, false
	case int:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		if x, err := v.Float64(); err == nil {
			return x, true
		}
	}
	f.fail(key, "is not a number")
	return 0, false
}

// number is the value of the key, or def.
func (f *fields) number(key string, def float64) float64 {
	if v, ok := f.float(key); ok {
		return v
	}
	return def
}

// pointer is the number at the key, nil without one.
func (f *fields) pointer(key string) *float64 {
	if v, ok := f.float(key); ok {
		return &v
	}
	return nil
}

func (f *fields) int(key string, def int) int {
	v, ok := f.float(key)
	if !ok {
		return def
	}
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		f.fail(key, "%s is not an integer", strconv.FormatFloat(v, 'g', -1, 64))
		return def
	}
	return int(v)
}

func (f *fields) bool(key string) bool {
	v, ok := f.value(key).(bool)
	if !ok && f.value(key) != nil {
		f.fail(key, "is neither true nor false")
	}
	return v
}

func (f *fields) string(key string) string {
	v, ok := f.value(key).(string)
	if !ok && f.value(key) != nil {
		f.fail(key, "is not a string")
	}
	return v
}

// under is the object at a key, nil where there is none.
func (f *fields) under(key string) *fields {
	v, ok := f.value(key).(map[string]any)
	if !ok {
		if f.value(key) != nil {
			f.fail(key, "is not an object")
		}
		return nil
	}
	return &fields{set: maps.Clone(v)}
}

// take adds the faults that were found in an object at a key.
func (f *fields) take(key string, inner *fields) {
	for _, err := range inner.errs {
		f.errs = append(f.errs, fmt.Errorf("%s.%w", key, err))
	}
}

// list is the list at a key, nil where there is none.
func (f *fields) list(key string) []any {
	v, ok := f.value(key).([]any)
	if !ok && f.value(key) != nil {
		f.fail(key, "is not a list")
	}
	return v
}

// each reads the elements of a list with get, which is given each under the same key.
func each[T any](f *fields, key, kind string, list []any, get func(f *fields) T) (out []T) {
	for i, v := range list {
		inner := fields{set: map[string]any{key: v}}
		if out = append(out, get(&inner)); v == nil || len(inner.errs) > 0 {
			f.fail(key, "element %d is not %s", i, kind)
		}
	}
	return out
}

// strings is a list of strings.
func (f *fields) strings(key string) []string {
	return each(f, key, "a string", f.list(key), func(f *fields) string { return f.string(key) })
}

// numbers is a list of numbers.
func (f *fields) numbers(key string) []float64 {
	return each(f, key, "a number", f.list(key), func(f *fields) float64 { return f.number(key, 0) })
}

// ints is a list of integers or a single one.
func (f *fields) ints(key string) []int {
	all, ok := f.value(key).([]any)
	if !ok {
		if n, ok := f.float(key); ok {
			all = []any{n}
		}
	}
	return each(f, key, "an integer", all, func(f *fields) int { return f.int(key, 0) })
}
