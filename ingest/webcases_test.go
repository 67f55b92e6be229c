package ingest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// readCase reads one file of testdata/cases.
func readCase(t *testing.T, name string) (*Document, error) {
	data, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	require.NoError(t, err)
	return one(t, fstest.MapFS{name: {Data: data}}, Options{})
}

// Each file has the right text beside it.
func TestCases(t *testing.T) {
	ingesttest.NothingLeft(t)
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*.txt"))
	require.NoError(t, err)
	for _, answer := range files {
		stem := strings.TrimSuffix(answer, ".txt")
		name := ""
		for _, ext := range []string{".html", ".xhtml", ".md"} {
			if _, err := os.Stat(stem + ext); err == nil {
				name = filepath.Base(stem) + ext
			}
		}
		if name == "" || strings.HasPrefix(name, "25-") { // about its title
			continue
		}
		want, err := os.ReadFile(answer)
		require.NoError(t, err)
		d, err := readCase(t, name)
		require.NoError(t, err, name)
		assert.Equal(t, asCase(string(want)), asCase(d.Text()), name)
		assert.Equal(t, strings.HasPrefix(name, "20-"), d.Outcome == Partial, "%s: %v", name, d.Faults)
	}
}

func TestMarkdownTitles(t *testing.T) {
	ingesttest.NothingLeft(t)
	for name, c := range map[string]struct{ in, title, text string }{
		"front matter": {"---\ntitle: \"Door: a manual\"\ntags: [a, b]\n---\n\n# Other\n", "Door: a manual", "# Other"},
		"TOML":         {"+++\ntitle = 'Doors'\ndate = 2024-05-01\n[params]\nx = [1, 2]\n+++\nText", "Doors", "Text"},
		"Setext":       {"intro\n\nDoor *manual*\n===\n\nText", "Door manual", "intro\n\nDoor *manual*\n===\n\nText"},
		"in code":      {"```sh\n# no\n```\n\n    # no\n\n~~~\n# no\n~~~\n\n## Yes `x` & [y](z) ##\n", "Yes x & y", ""},
		"in HTML":      {"<!--\n# no\n-->\n\n# Yes\n", "Yes", ""},
		"highest":      {"## Second\n\n# First\n\n# Again\n", "First", ""},
		"two rules":    {"---\n\nText\n\n---\n\n# Title", "Title", "---\n\nText\n\n---\n\n# Title"},
		"never closed": {"---\ntitle: x\n\n# Title", "Title", "---\ntitle: x\n\n# Title"},
		"not YAML":     {"---\ntitle: [\n---\n# Title", "Title", "---\ntitle: [\n---\n# Title"},
		"none":         {"#hashtag and\n\n#\n", "", "#hashtag and\n\n#"},
		"with a mark":  {"\xEF\xBB\xBF---\r\ntitle: Doors\r\n---\r\nText", "Doors", "Text"},
	} {
		d, err := one(t, fstest.MapFS{"a.md": {Data: []byte(c.in)}}, Options{})
		assert.NoError(t, err, name)
		assert.Equal(t, c.title, d.Title, name)
		if c.text != "" {
			assert.Equal(t, c.text, d.Text(), name)
		}
	}
	d, err := readCase(t, "25-title-in-code.md")
	assert.NoError(t, err)
	assert.Equal(t, "Door manual", d.Title)
	assert.Equal(t, map[string]string{"title": "Door manual", "author": "staff"}, d.Metadata)
	d, _ = one(t, fstest.MapFS{"a.md": {Data: []byte("---\nlang: de_at\nauthor:\n- A\n- B\nloop: &a [*a]\nextra: {x: 1, y: ~}\ndate: 2024-05-01\n---\nText")}}, Options{})
	assert.Equal(t, "de-AT", d.Language)
	assert.Equal(t, map[string]string{"lang": "de_at", "author": "A, B", "loop": "", "extra.x": "1", "date": "2024-05-01"}, d.Metadata)
}

func TestHTMLMetadata(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, fstest.MapFS{"a.html": {Data: []byte(`<html lang="en-gb"><meta property="og:title" content="Doors"><meta name=Author content=" A  B "><meta name=viewport content=x><h1>H</h1>text`)}}, Options{})
	assert.NoError(t, err)
	assert.Equal(t, "Doors", d.Title)
	assert.Equal(t, "en-GB", d.Language)
	assert.Equal(t, map[string]string{"author": "A B"}, d.Metadata)
	d, _ = one(t, fstest.MapFS{"a.html": {Data: []byte(`<h1>Open  hours</h1>text`)}}, Options{})
	assert.Equal(t, "Open hours", d.Title)
	for name, page := range map[string]string{
		"late":            "<html><!--" + strings.Repeat("x", 3000) + "--><meta charset='windows-1251'><p>\xc4\xe2\xe5\xf0\xfc",
		"in the body":     "<body><div></div><meta charset='windows-1251'><p>\xc4\xe2\xe5\xf0\xfc",
		"with spaces":     "<meta http-equiv=Content-Type content='text/html; charset = windows-1251'><p>\xc4\xe2\xe5\xf0\xfc",
		"content type":    "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'><p>\xc4\xe2\xe5\xf0\xfc",
		"XML declaration": "<?xml version='1.0' encoding='windows-1251'?><html><p>\xc4\xe2\xe5\xf0\xfc",
	} {
		d, err := one(t, fstest.MapFS{"a.html": {Data: []byte(page)}}, Options{})
		assert.NoError(t, err)
		assert.Equal(t, "Дверь", d.Text(), name)
		assert.Equal(t, OK, d.Outcome, name)
	}
}

func TestMainContent(t *testing.T) {
	ingesttest.NothingLeft(t)
	text := strings.Repeat("<p>The reading room opens at nine on Mondays, and it closes at six, said the librarian, who keeps the key of the cellar.</p>", 6)
	page := "<body><nav><ul><li><a href=a>Home</a><li><a href=b>Prices</a></ul></nav><div class=cookie-consent><p>We use cookies.</p><button>Accept</button></div>" +
		"<article><h2>Hours</h2>" + text + "<p>Area <span class=katex><span class=katex-mathml><math><mi>x</mi></math></span><span class=katex-html>x</span></span>.</p></article><footer>Imprint</footer></body>"
	read := func(r Reader) string {
		d, err := one(t, fstest.MapFS{"a.html": {Data: []byte(page)}}, Options{Readers: map[string]Reader{".html": r}})
		assert.NoError(t, err)
		return d.Text()
	}
	assert.Contains(t, read(HTML{}), "We use cookies.")
	got := read(HTML{MainContent: true})
	assert.Contains(t, got, "Hours\n\nThe reading room")
	assert.Contains(t, got, "Area x.")
	for _, noise := range []string{"cookies", "Accept", "Home", "Imprint"} {
		assert.NotContains(t, got, noise)
	}
	page = "<p>Short.</p>"
	assert.Equal(t, "Short.", read(HTML{MainContent: true}))
}
