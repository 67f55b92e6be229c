package pdf

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilters(t *testing.T) {
	const plain = "Every filter gives this back."
	cases := map[string]struct {
		chain []filter
		data  string
	}{
		"flate":          {[]filter{{name: "FlateDecode"}}, deflated(plain)},
		"short name":     {[]filter{{name: "Fl"}}, deflated(plain)},
		"broken header":  {[]filter{{name: "FlateDecode"}}, "\x00\x00" + deflated(plain)[2:]},
		"no checksum":    {[]filter{{name: "FlateDecode"}}, deflated(plain)[:len(deflated(plain))-4]},
		"hex":            {[]filter{{name: "ASCIIHexDecode"}}, "45 76657279 2066696c74657220676976657320746869732062 61636b2e>"},
		"run length":     {[]filter{{name: "RunLengthDecode"}}, "\x1cEvery filter gives this back.\x80"},
		"hex over flate": {[]filter{{name: "AHx"}, {name: "Fl"}}, hexOf(deflated(plain)) + ">"},
	}
	for name, c := range cases {
		got, err := decode([]byte(c.data), c.chain, 1<<20)
		assert.NoError(t, err, name)
		assert.Equal(t, plain, string(got), name)
	}
}

func hexOf(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

func TestASCII85(t *testing.T) {
	got, err := unASCII85([]byte("<~87cUR\nD]i,\"Ebo80~>"), 100)
	require.NoError(t, err)
	assert.Equal(t, "Hello World!", string(got))
}

func TestLZW(t *testing.T) {
	// The example of the PDF standard, 7.4.4.2.
	example, want := []byte{0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01}, []byte{45, 45, 45, 45, 45, 65, 45, 45, 45, 66}
	for _, parms := range []dict{nil, {"EarlyChange": 0.0}, {"EarlyChange": 1.0}} {
		got, err := decode(example, []filter{{"LZW", parms}}, 100)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	got, err := decode(example[:7], []filter{{name: "LZWDecode"}}, 100)
	assert.NoError(t, err, "the end is missing")
	assert.Equal(t, want[:len(got)], got)
	assert.NotEmpty(t, got)
	_, err = decode([]byte{0x80, 0x7F, 0xFF}, []filter{{name: "LZW"}}, 100)
	assert.Error(t, err)
}

func TestPredictors(t *testing.T) {
	rows := []byte{
		0, 1, 2, 3, // none
		1, 1, 1, 1, // sub: 1 2 3
		2, 1, 1, 1, // up: 2 3 4
		3, 1, 1, 1, // average: 2 3 4 (half of left plus above)
		4, 1, 1, 1, // Paeth: 3 4 5
	}
	got, err := unpredict(rows, 15, dict{"Columns": 3.0})
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 2, 3, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5}, got)

	got, err = unpredict([]byte{1, 1, 1, 5, 1, 1}, 2, dict{"Columns": 3.0})
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 2, 3, 5, 6, 7}, got)
}

func TestPredictorSizesAreNotBelieved(t *testing.T) {
	for _, d := range []dict{
		{"Columns": 1e12}, {"Columns": -1.0}, {"Columns": 1 << 30 * 1.0}, {"Colors": 1e9}, {"BitsPerComponent": 1e9},
	} {
		_, err := unpredict([]byte("0123456789"), 12, d)
		assert.Error(t, err, "%v", d)
	}
}

func TestDecodeIsLimited(t *testing.T) {
	bomb := deflated(strings.Repeat("x", 1<<20))
	got, err := decode([]byte(bomb), []filter{{name: "FlateDecode"}}, 1000)
	assert.ErrorIs(t, err, errTooLong)
	assert.Len(t, got, 1000)
	_, err = decode(bytes.Repeat([]byte{129, 'x'}, 1000), []filter{{name: "RL"}}, 1000)
	assert.ErrorIs(t, err, errTooLong)
	_, err = decode(nil, make([]filter, maxFilters+1), 1000)
	assert.Error(t, err)
	_, err = decode([]byte("x"), []filter{{name: "DCTDecode"}}, 1000)
	assert.ErrorContains(t, err, "DCTDecode")
}

func FuzzDecode(f *testing.F) {
	f.Add("FlateDecode", []byte(deflated("abcabc")), 12.0, 3.0)
	f.Add("LZWDecode", []byte{0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01}, 0.0, 0.0)
	f.Add("RunLengthDecode", []byte{2, 'a', 'b', 'c', 250, 'x', 128}, 2.0, 1.0)
	f.Add("ASCII85Decode", []byte("<~87cUR~>"), 0.0, 0.0)
	f.Fuzz(func(t *testing.T, name string, data []byte, predictor, columns float64) {
		const limit = 1 << 16
		d := dict{"Predictor": predictor, "Columns": columns, "EarlyChange": float64(len(data) % 2)}
		out, _ := decode(bytes.Clone(data), []filter{{name, d}}, limit)
		if len(out) > limit && len(out) > len(data) {
			t.Fatalf("%d bytes", len(out))
		}
	})
}
