package weights

import (
	"maps"
	"math"
	"strconv"
)

// Metadata holds the key-value pairs of a GGUF file. The getters report false when a key is absent or of another type;
// Has tells the two apart. The zero Metadata is empty.
type Metadata struct {
	// A value is a bool, int, float64, string, []int, []float64 or []string: the format's thirteen types folded into
	// those that a reader wants to tell apart.
	values map[string]any
}

// Has reports whether the key is there, whatever its type.
func (m Metadata) Has(key string) bool {
	_, ok := m.values[key]
	return ok
}

// String returns a string.
func (m Metadata) String(key string) (string, bool) { return get[string](m, key) }

// Bool returns a bool.
func (m Metadata) Bool(key string) (bool, bool) { return get[bool](m, key) }

// Int returns an integer of any width.
func (m Metadata) Int(key string) (int, bool) { return get[int](m, key) }

// Float returns a floating-point number, or an integer as one. A float32 comes as the shortest decimal number that
// it stands for (1e-05, not 9.999999747378752e-06), which is what the model's authors wrote.
func (m Metadata) Float(key string) (float64, bool) {
	if n, ok := get[int](m, key); ok {
		return float64(n), true
	}
	return get[float64](m, key)
}

// Ints returns an array of integers of any width, or of bools as 0 and 1. The caller must not change it.
func (m Metadata) Ints(key string) ([]int, bool) { return get[[]int](m, key) }

// Floats returns an array of floating-point numbers. The caller must not change it.
func (m Metadata) Floats(key string) ([]float64, bool) { return get[[]float64](m, key) }

// Strings returns an array of strings. The caller must not change it.
func (m Metadata) Strings(key string) ([]string, bool) { return get[[]string](m, key) }

// Map returns all pairs. A value is a bool, int, float64, string, []int, []float64 or []string; the slices are shared and
// must not be changed.
func (m Metadata) Map() map[string]any { return maps.Clone(m.values) }

func get[T any](m Metadata, key string) (T, bool) {
	v, ok := m.values[key].(T)
	return v, ok
}

// The value types of GGUF, by their number in the file.
const (
	ggufUint8 = iota
	ggufInt8
	ggufUint16
	ggufInt16
	ggufUint32
	ggufInt32
	ggufFloat32
	ggufBool
	ggufString
	ggufArray
	ggufUint64
	ggufInt64
	ggufFloat64
)

// ggufWidth is the smallest number of bytes that a value of each type takes.
var ggufWidth = [...]int{
	ggufUint8: 1, ggufInt8: 1, ggufUint16: 2, ggufInt16: 2, ggufUint32: 4, ggufInt32: 4, ggufFloat32: 4, ggufBool: 1,
	ggufString: 8, ggufArray: 12, ggufUint64: 8, ggufInt64: 8, ggufFloat64: 8,
}

// maxArray bounds an array, whose elements take more memory than bytes of the file; vocabularies are a tenth of it.
const maxArray = 1 << 24

// value reads one metadata value of the given type.
func (r *ggufReader) value(kind uint32) any {
	switch kind {
	case ggufBool:
		return r.bool()
	case ggufString:
		return r.string()
	case ggufFloat32:
		return shortest(math.Float32frombits(r.uint32()))
	case ggufFloat64:
		return math.Float64frombits(r.uint64())
	case ggufArray:
		return r.array()
	}
	return r.integer(kind)
}

// array reads the element type, the count and the elements.
func (r *ggufReader) array() any {
	kind, count := r.uint32(), r.uint64()
	switch {
	case r.err != nil:
	case kind == ggufArray:
		r.fail(unsupported("an array of arrays"))
	case kind >= uint32(len(ggufWidth)):
		r.fail(malformed("value type %d is not known", kind))
	case count > maxArray || count > uint64(r.left)/uint64(ggufWidth[kind]):
		r.fail(malformed("an array of %d elements does not fit in the file", count))
	}
	if r.err != nil {
		return nil
	}
	switch kind {
	case ggufString:
		return readArray(count, r.string, r)
	case ggufFloat32:
		return readArray(count, func() float64 { return float64(math.Float32frombits(r.uint32())) }, r)
	case ggufFloat64:
		return readArray(count, func() float64 { return math.Float64frombits(r.uint64()) }, r)
	case ggufBool:
		return readArray(count, func() int {
			if r.bool() {
				return 1
			}
			return 0
		}, r)
	}
	return readArray(count, func() int { return r.integer(kind) }, r)
}

func readArray[T any](count uint64, element func() T, r *ggufReader) []T {
	out := make([]T, 0, count)
	for range count {
		out = append(out, element())
		if r.err != nil {
			return nil
		}
	}
	return out
}

// integer reads an integer that an int must hold.
func (r *ggufReader) integer(kind uint32) int {
	if kind >= uint32(len(ggufWidth)) {
		r.fail(malformed("value type %d is not known", kind))
		return 0
	}
	v, width := uint64(0), ggufWidth[kind]
	for i, b := range r.next(width) {
		v |= uint64(b) << (8 * i)
	}
	signed := kind == ggufInt8 || kind == ggufInt16 || kind == ggufInt32 || kind == ggufInt64
	if signed {
		v = uint64(int64(v<<(64-8*width)) >> (64 - 8*width))
	}
	if signed && int64(int(v)) != int64(v) || !signed && v > math.MaxInt {
		r.fail(unsupported("an integer is too large"))
		return 0
	}
	return int(v)
}

func shortest(f float32) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return v
}
