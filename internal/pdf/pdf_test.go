package pdf

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hello = "BT /F1 10 Tf 50 700 Td (Hello) Tj ET"

func TestDamagedFilesAreRead(t *testing.T) {
	sound := string(onePage(hello, ""))
	cases := map[string]string{
		"as it is":            sound,
		"version 2.0":         strings.Replace(sound, "%PDF-1.4", "%PDF-2.0", 1),
		"no newline":          strings.Replace(sound, "%PDF-1.4\n", "%PDF-1.4 ", 1),
		"junk in front":       strings.Repeat("junk ", 100) + sound,
		"NULs behind":         sound + strings.Repeat("\x00", 5000),
		"no trailer":          sound[:strings.Index(sound, "trailer")],
		"huge cross-ref":      sound + "xref\n4294967295 4000000000\n0000000000 65535 f\ntrailer<</Root 1 0 R/Size 99999999999/Prev 0>>\nstartxref\n-1\n%%EOF",
		"no endobj":           strings.ReplaceAll(sound, "\nendobj", ""),
		"wrong length":        strings.Replace(sound, "/Length 36", "/Length 999999", 1),
		"no length":           strings.Replace(sound, "/Length 36", "", 1),
		"length is an object": strings.Replace(sound, "/Length 36", "/Length 77 0 R", 1),
		"blank after stream":  strings.Replace(sound, "stream\nBT", "stream  \r\nBT", 1),
		"unknown escape":      strings.Replace(sound, "/Type/Page/", `/Note(\ \d\q\400)/Type/Page/`, 1),
		"kids loop":           strings.Replace(sound, "/Kids[3 0 R]", "/Kids[2 0 R 3 0 R 3 0 R 99 0 R]", 1),
		"count lies":          strings.Replace(sound, "/Count 1", "/Count 2000000000", 1),
		"parent loop":         strings.Replace(sound, "/Type/Pages", "/Parent 2 0 R/Type/Pages", 1),
		"no catalog":          strings.Replace(sound, "/Type/Catalog", "/Type/Nothing", 1),
		"no page tree":        strings.Replace(sound, "/Pages 2 0 R", "", 1),
		"huge number":         sound + "4294967295 0 obj\n<<>>\nendobj\n999999999 0 obj 1 endobj",
		"truncated":           sound[:strings.Index(sound, "endstream")],
	}
	for name, data := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			assert.Equal(t, "Hello", textOf(t, []byte(data)))
			assert.Less(t, time.Since(start), time.Minute)
		})
	}
}

func TestFilesThatAreNone(t *testing.T) {
	for _, data := range []string{"", "<html>", strings.Repeat(" ", 2000) + "%PDF-1.4"} {
		_, err := Open([]byte(data), "", Limits{})
		assert.ErrorIs(t, err, ErrNotPDF)
	}
	for _, data := range []string{"%PDF-1.4", "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj"} {
		_, err := Open([]byte(data), "", Limits{})
		assert.ErrorIs(t, err, ErrMalformed)
	}
}

// objectStream packs objects, given as number and body, as object n.
func objectStream(n int, filter func(string) string, pairs ...string) string {
	var head, body strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&head, "%s %d ", pairs[i], body.Len())
		body.WriteString(pairs[i+1] + " ")
	}
	content := filter(head.String() + body.String())
	return fmt.Sprintf("%d 0 obj\n%s\nendobj\n", n, streamObject(
		fmt.Sprintf("/Type/ObjStm/N %d/First %d/Filter/FlateDecode", len(pairs)/2, head.Len()), content))
}

func TestObjectStreamsAndUpdates(t *testing.T) {
	page := "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 " + helvetica + ">>>>>>"
	base := "%PDF-1.5\n" +
		objectStream(9, deflated, "1", "<</Type/Catalog/Pages 2 0 R>>", "2", "<</Kids[3 0 R]>>", "3", page) +
		"4 0 obj\n" + streamObject("", hello) + "\nendobj\n"
	assert.Equal(t, "Hello", textOf(t, []byte(base)), "catalog found inside an object stream")

	updated := base + "4 0 obj\n" + streamObject("", strings.Replace(hello, "Hello", "Newer", 1)) + "\nendobj\n"
	assert.Equal(t, "Newer", textOf(t, []byte(updated)), "the last definition wins")

	again := updated + objectStream(10, deflated, "3", strings.Replace(page, "4 0 R", "5 0 R", 1)) +
		"5 0 obj\n" + streamObject("", strings.Replace(hello, "Hello", "Third", 1)) + "\nendobj\n"
	assert.Equal(t, "Third", textOf(t, []byte(again)))
}

func TestObjectStreamsLie(t *testing.T) {
	page := string(onePage(hello, ""))
	for _, dict := range []string{
		"/N 2000000000/First 10", "/N 1/First -5", "/N 1/First 999999999", "/N 1", "/Extends 8 0 R/N 3/First 4",
	} {
		data := page + "8 0 obj\n" + streamObject("/Type/ObjStm"+dict, "1 0 999 5 <<") + "\nendobj\n"
		f, err := Open([]byte(data), "", Limits{})
		if err == nil {
			_, err = f.Text(context.Background(), 0)
		}
		if err != nil {
			assert.ErrorIs(t, err, ErrMalformed, dict)
		}
	}
}

func TestManyPagesAreLinear(t *testing.T) {
	const n = 3000
	bodies := []string{"<</Type/Catalog/Pages 2 0 R>>", "", streamObject("", hello)}
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", i+4)
		bodies = append(bodies, "<</Type/Page/Parent 2 0 R/Contents 3 0 R>>")
	}
	bodies[1] = "<</MediaBox[0 0 600 800]/Resources<</Font<</F1 " + helvetica + ">>>>/Kids[" + kids.String() + "]>>"
	start := time.Now()
	assert.Equal(t, n, strings.Count(textOf(t, objects(bodies...)), "Hello"))
	assert.Less(t, time.Since(start), 20*time.Second)
	_, err := Open(objects(bodies...), "", Limits{Pages: 100})
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestBrokenPageDoesNotCostTheOthers(t *testing.T) {
	data := objects(
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Kids[3 0 R 4 0 R]/MediaBox[0 0 600 800]/Resources<</Font<</F1 "+helvetica+">>>>>>",
		"<</Type/Page/Parent 2 0 R/Contents 5 0 R>>",
		"<</Type/Page/Parent 2 0 R/Contents 6 0 R>>",
		streamObject("/Filter/FlateDecode", "this is not deflated"),
		streamObject("", hello),
	)
	f, err := Open(data, "", Limits{})
	require.NoError(t, err)
	_, err = f.Text(context.Background(), 0)
	assert.ErrorIs(t, err, ErrMalformed)
	text, err := f.Text(context.Background(), 1)
	assert.NoError(t, err)
	assert.Equal(t, "Hello", text)
}

// One damaged byte costs one entry.
func TestDamagedEntries(t *testing.T) {
	sound := string(onePage(hello, ""))
	for old, with := range map[string]string{
		"[0 0 600 800]":      "[0 \xd2 600 800]", // a number
		"/MediaBox":          "xMediaBox",        // a name
		"/Type/Page/":        "/Type Page /",
		"<</F1 ":             "<<7 (stray) /F1 ",
		"/BaseFont/":         "/X[0 1 \xd2.5 2]/BaseFont/",
		"4 0 R/Resources":    "4 0 R R/Resources",
		"1>>\nendobj":        "1 \x80\x81>>\nendobj",
		"<</Length 36>>":     "<<\xe9Length 36>>",
		"/Contents 4 0 R":    "/X 4x0 R/Contents 4 0 R",
		"/WinAnsiEncoding>>": "/WinAnsiEncoding ) } 5>>",
	} {
		require.Contains(t, sound, old)
		t.Run(with, func(t *testing.T) { assert.Equal(t, "Hello", textOf(t, []byte(strings.Replace(sound, old, with, 1)))) })
	}
	open := strings.Replace(sound, "/Count 1>>\nendobj\n", "/Count 1 ", 1) // its end is lost, and the next object is not
	assert.Equal(t, "Hello", textOf(t, []byte(open)))
	noise, _, whole := readObject([]byte("<</A "+strings.Repeat("x ", 3*maxMisfits)+">>"), 0)
	assert.False(t, whole, "%v", noise)
	packed := "%PDF-1.5\n" + objectStream(9, deflated, "1", "<</Type/Catalog/Pages 2 0 R>>", "2", "<</Kids[3 0 R] \xd2 /X(\\q)>>", "3",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 "+helvetica+">>>>>>") +
		"4 0 obj\n" + streamObject("", hello) + "\nendobj\n"
	assert.Equal(t, "Hello", textOf(t, []byte(packed)))
}

// The generation of an object is that of the references to it.
func TestWrongGenerations(t *testing.T) {
	sound := string(onePage(hello, "/ExtGState<</G 5 0 R>>", "<<>>"))
	for name, data := range map[string]string{
		"all":            regexp.MustCompile(`(\d) 0 obj`).ReplaceAllString(sound, "$1 7 obj"),
		"long":           regexp.MustCompile(`(\d) 0 obj`).ReplaceAllString(sound, "$1 65535 obj"),
		"content":        strings.Replace(sound, "4 0 obj", "4 1 obj", 1),
		"no endobj":      strings.ReplaceAll(strings.Replace(sound, "4 0 obj", "4 1 obj", 1), "\nendobj", ""),
		"right and used": strings.NewReplacer("4 0 obj", "4 2 obj", "4 0 R", "4 2 R").Replace(sound),
		"used again":     sound + "4 1 obj\n" + streamObject("", hello) + "\nendobj\n3 0 obj\n" + regexp.MustCompile(`(?s)3 0 obj\n(.*?)\nendobj`).FindStringSubmatch(strings.Replace(sound, "4 0 R", "4 1 R", 1))[1] + "\nendobj\n",
	} {
		assert.Equal(t, "Hello", textOf(t, []byte(data)), name)
	}
}

// Pages of all files take turns with the same memory.
func TestPagesShareNothing(t *testing.T) {
	files := [][]byte{
		onePage("", ""),
		onePage(hello, ""),
		onePage("BT /F1 10 Tf 0 1 -1 0 300 100 Tm (upright) Tj ET "+hello, ""),
		onePage(strings.Repeat("BT /F1 5 Tf 1 0 0 1 50 700 Tm "+strings.Repeat("(many glyphs) Tj 0 -6 Td ", 100)+"ET ", 3), ""),
	}
	for _, content := range []string{deflated(hello), deflated(hello)[:30], "x\x9c" + deflated(hello), deflated(strings.Repeat(hello, 900))} {
		files = append(files, objects("<</Type/Catalog/Pages 2 0 R>>", "<</Kids[3 0 R]>>",
			"<</Type/Page/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F1 "+helvetica+">>>>>>",
			streamObject("/Filter/FlateDecode", content)))
	}
	read := func(data []byte) string {
		f, err := Open(bytes.Clone(data), "", Limits{})
		if err == nil {
			var text string
			text, err = f.Text(context.Background(), 0)
			return fmt.Sprint(text, err)
		}
		return err.Error()
	}
	var want []string
	for _, data := range files {
		want = append(want, read(data))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				k := (i*(worker+1) + worker) % len(files)
				assert.Equal(t, want[k], read(files[k]))
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	f.Add(onePage(hello, ""))
	f.Add([]byte("%PDF-1.5\n" + objectStream(9, deflated, "1", "<</Type/Catalog/Pages 2 0 R>>", "2", "<</Kids[3 0 R]>>")))
	encrypted, err := filepath.Glob("testdata/encrypted-*.pdf")
	require.NoError(f, err)
	for _, name := range encrypted {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	limits := Limits{StreamBytes: 1 << 20, Operators: 20_000, Glyphs: 20_000, Pages: 100}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.Clone(data), "", limits)
		if err != nil {
			return
		}
		for i := range file.Pages() {
			_, _ = file.Text(context.Background(), i)
		}
	})
}
