package ingest

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

var runsOfSpace = regexp.MustCompile(`[ \n]*\t[ \n]*|[ \n]+`)

// asCase forgets what a right text may have otherwise: white space that is no tab between cells.
func asCase(s string) string {
	return strings.TrimSpace(runsOfSpace.ReplaceAllStringFunc(s, func(space string) string {
		if strings.Contains(space, "\t") {
			return "\t"
		}
		return " "
	}))
}

// told is what a fault says of files whose text alone would mislead.
var told = map[string]struct{ text, reason string }{
	"57-xfa.txt":                         {"Request for a boat berth Pier 7", "an XFA form"},
	"70-three-of-four-pages-scanned.txt": {"Contract of lease, signed pages follow.", "pages 2, 3 and 4 of 4: no text layer, likely scanned"},
}

// Each file stands for a kind of fault; beside it is the right text.
func TestOfficeCases(t *testing.T) {
	ingesttest.NothingLeft(t)
	files, err := filepath.Glob("testdata/cases/*.txt")
	require.NoError(t, err)
	readers, ran := DefaultReaders(), 0
	for _, name := range files {
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, ext := range []string{".docx", ".pdf"} {
			data, err := os.ReadFile(strings.TrimSuffix(name, ".txt") + ext)
			if err != nil {
				continue
			}
			d, err := readers[ext].Read(context.Background(), memory(data), int64(len(data)))
			require.NoError(t, err, name)
			ran++
			if told, ok := told[filepath.Base(name)]; ok {
				require.Len(t, d.Faults, 1, name)
				assert.Contains(t, d.Faults[0].Reason, told.reason)
				want = []byte(told.text)
			}
			assert.Equal(t, asCase(string(want)), asCase(d.Text()), name)
		}
	}
	assert.GreaterOrEqual(t, ran, 16)
}
