package ingest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/ingesttest"
)

func TestHTML(t *testing.T) {
	ingesttest.NothingLeft(t)
	cases := map[string]struct{ in, want string }{
		"paragraphs":       {"<p>One\n  two</p><p>Three", "One two\n\nThree"},
		"inline":           {"a<b>b</b> <i>c</i>.", "ab c."},
		"entities":         {"caf&eacute; &amp; t&#x2F;&nbsp;x", "café & t/ x"},
		"break":            {"one<br>two<br/>three", "one\ntwo\nthree"},
		"list":             {"<ul><li>one<li>two <b>x</b></ul>after", "- one\n- two x\n\nafter"},
		"list with blocks": {"<ol><li><p>one</p></li><li><p>two</p></li></ol>", "- one\n\n- two"},
		"table":            {"<table><tr><th>Week<th>Topic</tr><tr><td>1</td><td>Limits, <b>sums</b></td></tr><tr><td></td><td>x</td></tr></table>", "Week\tTopic\n1\tLimits, sums\n\tx"},
		"hidden":           {"a<script>if (x<y) alert('</p>')</script><style>p{}</style><template>t</template>b", "ab"},
		"title is no text": {"<head><title>T</title><meta charset=utf-8></head><body>b</body>", "b"},
		"pre":              {"<pre>a\n  b\n</pre>c", "a\n  b\n\n\nc"},
		"comment":          {"a<!-- <p>no</p> -->b", "ab"},
		"never closed":     {"<div><div><p>x<b>y", "xy"},
		"stray ends":       {"</p></script></table>x</pre>y", "x\n\ny"},
		"nothing":          {"", ""},
		"controls":         {"a\x07b\u00adc", "ab\u00adc"},
	}
	for name, c := range cases {
		d, err := HTML{}.Read(context.Background(), memory(c.in), int64(len(c.in)))
		assert.NoError(t, err, name)
		assert.Equal(t, c.want, d.Pages[0].Text, name)
		assert.Equal(t, "text/html", d.MediaType)
	}
}

func TestHTMLTitleAndEncodings(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, fstest.MapFS{"a.html": {Data: []byte("<html><title> My\n page </title><svg><title>no</title></svg><p>x")}}, Options{})
	assert.NoError(t, err)
	assert.Equal(t, "My page", d.Title)
	for name, data := range map[string]string{
		"declared": "<meta charset=iso-8859-7>\xea\xe1\xeb\xe7\xec\xdd\xf1\xe1", "UTF-8": "καλημέρα", "UTF-8 with a mark": "\xEF\xBB\xBFκαλημέρα",
		"UTF-16": "\xff\xfe\xba\x03\xb1\x03\xbb\x03\xb7\x03\xbc\x03\xad\x03\xc1\x03\xb1\x03",
	} {
		d, err := one(t, fstest.MapFS{"A.HTM": {Data: []byte(data)}}, Options{})
		assert.NoError(t, err, name)
		assert.Equal(t, "καλημέρα", d.Text(), name)
	}
	d, _ = one(t, fstest.MapFS{"a.html": {Data: []byte("\x00\x01binary")}}, Options{})
	assert.Equal(t, Malformed, d.Outcome)
	d, _ = one(t, fstest.MapFS{"a.html": {Data: []byte("<p> </p>")}}, Options{})
	assert.Equal(t, Empty, d.Outcome)
}

// A tree of this depth takes minutes to build, or the stack.
func TestHTMLNestedWithoutEnd(t *testing.T) {
	ingesttest.NothingLeft(t)
	in := strings.Repeat("<div><b><table><tr><td>", 200_000) + "deep"
	d, err := HTML{}.Read(context.Background(), memory(in), int64(len(in)))
	assert.NoError(t, err)
	assert.Equal(t, "deep", strings.TrimSpace(d.Text()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = HTML{}.Read(ctx, memory(in), int64(len(in)))
	assert.ErrorIs(t, err, context.Canceled)
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte("<table><tr><td>a<p>b</td></tr></table><pre> x</pre><ul><li>&eacute;"))
	f.Add([]byte("<script><!--<script></script>--></script><title>x"))
	f.Add([]byte("\xff\xfea\x00<\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := HTML{}.Read(context.Background(), memory(bytes.Clone(data)), int64(len(data)))
		if err == nil && utf8.Valid(data) && !utf8.ValidString(d.Text()) {
			t.Fatal("text is not UTF-8")
		}
	})
}
