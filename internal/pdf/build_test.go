package pdf

import (
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// objects makes a file of numbered objects. It needs no cross-reference table,
// for none is ever read.
func objects(bodies ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	for i, body := range bodies {
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, body)
	}
	b.WriteString("trailer\n<</Root 1 0 R>>\n%%EOF\n")
	return b.Bytes()
}

func streamObject(dict, content string) string {
	return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(content), content)
}

func deflated(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.String()
}

const helvetica = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"

// onePage makes a file with one page of 600 by 800 points. Font F1 is
// Helvetica; more objects begin with number 5.
func onePage(content, resources string, more ...string) []byte {
	return objects(append([]string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 " + helvetica + ">>" + resources + ">>>>",
		streamObject("", content),
	}, more...)...)
}

// textOf opens data and joins the text of its pages.
func textOf(t testing.TB, data []byte) string {
	t.Helper()
	f, err := Open(bytes.Clone(data), "", Limits{})
	require.NoError(t, err)
	var pages []string
	for i := range f.Pages() {
		text, err := f.Text(context.Background(), i)
		require.NoError(t, err)
		pages = append(pages, text)
	}
	return strings.Join(pages, "\f")
}

func shows(t testing.TB, want, content string) {
	t.Helper()
	require.Equal(t, want, textOf(t, onePage(content, "")))
}
