package ingest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

var (
	rawTags  = regexp.MustCompile(`</?(div|span|p|a|li|ul|td|tr|table|script|style|iframe|img|noscript)(\s[^<>]*)?/?>`)
	mojibake = regexp.MustCompile(`Ã[\x{80}-\x{BF}¤¶¼Ÿ©¨]|â€[\x{80}-\x{BF}œž™“”]|Ð[\x{80}-\x{BF}]Ð`)
)

// TestWebPages reads the pages by which trafilatura is evaluated, some thousand, and compares with the pieces of text that
// people marked as content and as none:
//
//	DOCENT_WEBPAGES=trafilatura/tests go test ./ingest -run WebPages -v
func TestWebPages(t *testing.T) {
	ingesttest.NothingLeft(t)
	dir := os.Getenv("DOCENT_WEBPAGES")
	if dir == "" {
		t.Skip("DOCENT_WEBPAGES names no folder with trafilatura's evaldata.json, cache and eval")
	}
	var pages map[string]struct {
		File          string
		With, Without []string
	}
	data, err := os.ReadFile(filepath.Join(dir, "evaldata.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &pages))
	for name, reader := range map[string]HTML{"whole pages": {}, "main content": {MainContent: true}} {
		var found, missed, noise, failed, garbled, tagged int
		for _, page := range pages {
			data, err := os.ReadFile(filepath.Join(dir, "eval", page.File))
			if err != nil {
				data, err = os.ReadFile(filepath.Join(dir, "cache", page.File))
			}
			require.NoError(t, err)
			d, err := one(t, fstest.MapFS{"a.html": {Data: data}}, Options{Readers: map[string]Reader{".html": reader}})
			if err != nil {
				failed++
				t.Log(page.File, err)
			}
			text := oneLine(d.Text())
			if s := mojibake.FindString(text); s != "" {
				garbled++
				t.Logf("%s: %q", page.File, s)
			}
			if s := rawTags.FindString(text); s != "" {
				tagged++
				t.Logf("%s: %q", page.File, s)
			}
			for _, piece := range page.With {
				if strings.Contains(text, oneLine(piece)) {
					found++
				} else {
					missed++
				}
			}
			for _, piece := range page.Without {
				if strings.Contains(text, oneLine(piece)) {
					noise++
				}
			}
		}
		t.Logf("%s: %d pages, %d failed, %d with mojibake, %d with tags; recall %.3f, precision %.3f", name, len(pages), failed, garbled, tagged,
			float64(found)/float64(found+missed), float64(found)/float64(found+noise))
		assert.Less(t, failed+garbled, len(pages)/100, name)
	}
}
