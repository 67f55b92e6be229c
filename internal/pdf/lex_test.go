package pdf

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseNumber(t *testing.T) {
	for in, want := range map[string]float64{
		"0": 0, "12": 12, "-3.5": -3.5, "+.25": 0.25, "--7": -7, "4.": 4, "12-3": 12, "1.2.3": 1.2, ".": 0,
	} {
		got, ok := parseNumber([]byte(in))
		assert.True(t, ok, in)
		assert.InDelta(t, want, got, 1e-12, in)
	}
	for _, in := range []string{"-", "1e5", "12a", "+"} {
		_, ok := parseNumber([]byte(in))
		assert.False(t, ok, in)
	}
}

func TestStrings(t *testing.T) {
	for in, want := range map[string]string{
		`(a(b)c)`:           "a(b)c",
		`(a\)b\\)`:          `a)b\`,
		`(\101\7\128)`:      "A\x07\n8",
		"(a\\\r\nb)":        "ab",
		"(a\r\nb)":          "a\nb",
		`(\d\q)`:            "dq", // unknown escapes lose the backslash
		`(never closed`:     "never closed",
		`<48 65 6C6c 6f>`:   "Hello",
		`<48656C6C6F7>`:     "Hellop",
		`<4x8`:              "H",
		`(\`:                "",
		`(\400)`:            "\x00", // overflow is dropped
		`<` + `4142` + "\n": "AB",
	} {
		l := lexer{data: []byte(in)}
		tok := l.next()
		assert.Equal(t, text, tok.kind, in)
		assert.Equal(t, want, string(tok.text), in)
	}
}

func TestObjects(t *testing.T) {
	l := lexer{data: []byte("<</A 1/B[2 0 R(x)/N#41 null true]/C<</D -1.5>>>>")}
	obj, ok := l.object(0)
	require.True(t, ok)
	assert.Equal(t, dict{
		"A": 1.0,
		"B": array{ref{2, 0}, "x", nameObj("NA"), nil, true},
		"C": dict{"D": -1.5},
	}, obj)
}

func TestObjectsAreBounded(t *testing.T) {
	for _, in := range []string{"[", "<<", "<</A", "<</A[", "endobj", ""} {
		l := lexer{data: []byte(in)}
		_, ok := l.object(0)
		assert.False(t, ok, in)
	}
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = '['
	}
	l := lexer{data: deep}
	_, ok := l.object(0)
	assert.False(t, ok)
}

func FuzzLexer(f *testing.F) {
	f.Add([]byte("<</A(\\1\\d)/B<4>/C[1 0 R 2]>> BT (x) Tj ET"))
	f.Add([]byte("<<<(((//#4#"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := lexer{data: data}
		for tokens := 0; l.next().kind != eof; tokens++ {
			if tokens > len(data) {
				t.Fatal("lexer does not advance")
			}
		}
		(&lexer{data: data}).object(0)
	})
}
