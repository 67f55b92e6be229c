package ingest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

func TestNothingVanishes(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"a.txt", "b.key", "c/d.KEY", "e.zip", "README", ".git/config", ".git/notes.txt", "c/__MACOSX/x.txt", "c/._d.txt", "~$plan.docx", ".~lock.x.odt#",
		"Thumbs.db", "z/left.key",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte("words")}
	}
	var report Report
	var order []string
	o := Options{Exclude: []string{"z"}}
	o.Skipped = func(s Skipped) {
		order = append(order, s.Path)
		report.Skip(s)
	}
	var last Progress
	o.Progress = func(p Progress) { last = p }
	docs, _ := collect(t, fsys, o)
	for _, d := range docs {
		report.Add(d)
		order = append(order, d.Path)
	}
	require.Len(t, docs, 1)
	assert.Equal(t, 1, last.Total, "what is not read is not counted as to read")
	assert.Equal(t, map[string]int{".key": 2, ".zip": 1, "": 1}, report.NotRead)
	assert.Equal(t, map[string]int{".git": 1, "__MACOSX": 1, "._*": 1, "~$*": 1, ".~lock.*#": 1, "Thumbs.db": 1}, report.LeftOut)
	assert.Contains(t, report.String(), "not read, for no reader knows their kind: 2 .key, 1 without an ending, 1 .zip\n")
	assert.Contains(t, report.String(), "left out, of systems and programs: 1 ._*, 1 .git, ")
	var paths []string
	for p, err := range List(fsys, o) {
		require.NoError(t, err)
		paths = append(paths, p)
	}
	assert.Equal(t, []string{"a.txt"}, paths)
	docs, _ = collect(t, fsys, Options{SystemFiles: true})
	assert.Len(t, docs, 5, "asked for, they are read")
	order = nil
	docs, _ = collect(t, fsys, Options{Include: []string{"*.txt"}, Skipped: o.Skipped})
	assert.Len(t, docs, 1)
	assert.NotContains(t, order, "e.zip", "it was not asked for")
}

func TestNamesThatAreNotUTF8(t *testing.T) {
	ingesttest.NothingLeft(t)
	if runtime.GOOS != "linux" {
		t.Skip("other systems refuse such names")
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "Pl\xe4ne"), 0o700))
	for _, name := range []string{"a\xfc.txt", "a\xf6.txt", "Pl\xe4ne/ü.txt", "x\xff.odd"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprintf("%q", name)), 0o600))
	}
	for _, isolated := range []*Isolated{nil, {}} {
		var got []string
		docs, errs := collect(t, os.DirFS(dir), Options{Isolated: isolated, CacheDir: t.TempDir(), Skipped: func(s Skipped) { got = append(got, s.Path) }})
		for i, d := range docs {
			assert.NoError(t, errs[i])
			got = append(got, d.Path+" "+d.Text())
		}
		assert.Equal(t, []string{"x%FF.odd", `Pl%E4ne/ü.txt "Pl\xe4ne/ü.txt"`, `a%F6.txt "a\xf6.txt"`, `a%FC.txt "a\xfc.txt"`}, got)
	}
	var listed []string
	for p, err := range List(os.DirFS(dir), Options{}) {
		require.NoError(t, err)
		listed = append(listed, p)
	}
	docs, _ := collect(t, os.DirFS(dir), Options{Paths: listed})
	assert.Len(t, docs, 3, "what List yields can be read")
	_, err := withAnyNames(os.DirFS(dir)).Open("../x")
	assert.ErrorIs(t, err, os.ErrInvalid)
	assert.Equal(t, "ok\uFFFD", pathAsText("ok\uFFFD"))
}

func TestDuplicates(t *testing.T) {
	ingesttest.NothingLeft(t)
	var words []string
	for i := range 400 {
		words = append(words, fmt.Sprintf("word%d", i*i%997))
	}
	changed := append([]string(nil), words...)
	changed[200] = "another"
	half := append(append([]string(nil), words[:200]...), strings.Fields(strings.Repeat("quite new words ", 70))...)
	han := strings.Repeat("会议于星期一下午三点开始", 1) + "请提前一天把材料发送给我们谢谢大家合作图书馆九点关门"
	fsys := fstest.MapFS{
		"a.txt": {Data: []byte(strings.Join(words, " "))}, "b.md": {Data: []byte("# " + strings.Join(words, "  ") + ".")},
		"c.txt": {Data: []byte(strings.Join(changed, " "))}, "d.txt": {Data: []byte(strings.Join(half, " "))},
		"e.txt": {Data: []byte("Form A")}, "f.txt": {Data: []byte("Form B")}, "g.txt": {Data: []byte("form a.")}, "h.txt": {},
		"i.txt": {Data: []byte(han)}, "j.txt": {Data: []byte(han + "。")}, "k.txt": {Data: []byte("")},
	}
	for threshold, want := range map[float64]map[string]string{
		0: {"b.md": "a.txt", "c.txt": "a.txt", "g.txt": "e.txt", "j.txt": "i.txt"},
		1: {"b.md": "a.txt", "g.txt": "e.txt", "j.txt": "i.txt"},
	} {
		seen := Duplicates{Threshold: threshold}
		var report Report
		got := map[string]string{}
		docs, _ := collect(t, fsys, Options{})
		for _, d := range docs {
			seen.Mark(d)
			report.Add(d)
			if d.DuplicateOf != "" {
				got[d.Path] = d.DuplicateOf
				assert.GreaterOrEqual(t, d.Likeness, 0.9)
			}
		}
		assert.Equal(t, want, got)
		assert.Equal(t, len(want), report.Duplicates)
		assert.Contains(t, report.String(), "say what an earlier one says")
	}
}

func TestRedactAndLanguage(t *testing.T) {
	ingesttest.NothingLeft(t)
	number := regexp.MustCompile(`[0-9]{4,}`)
	cache := t.TempDir()
	fsys := fstest.MapFS{
		"a.md":  {Data: []byte("---\ntitle: Call 5551234\ncontact: 5559876\n---\nThe porter is at 5550000, and he is there every day of the week.")},
		"b.txt": {Data: []byte(german)}, "c.txt": {Data: []byte("12")}, "d.html": {Data: []byte("<html lang=el><p>" + german)},
	}
	for range 2 { // read, and taken from the cache
		docs, _ := collect(t, fsys, Options{CacheDir: cache, Redact: func(s string) string { return number.ReplaceAllString(s, "…") }})
		assert.Equal(t, "Call …", docs[0].Title)
		assert.Equal(t, "…", docs[0].Metadata["contact"])
		assert.NotContains(t, docs[0].Text(), "555")
		var languages []string
		for _, d := range docs {
			languages = append(languages, d.Language)
		}
		assert.Equal(t, []string{"en", "de", "", "el"}, languages)
	}
	kept, err := json.Marshal(func() *Document { docs, _ := collect(t, fsys, Options{CacheDir: cache}); return docs[0] }())
	require.NoError(t, err)
	assert.Contains(t, string(kept), "5550000")
}
