package formats

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
)

func TestMain(m *testing.M) {
	if ingest.RunChild(os.Args, Types()...) {
		return
	}
	os.Exit(m.Run())
}

// Every reader goes to a child process and answers there.
func TestReadersInChildren(t *testing.T) {
	files := fstest.MapFS{}
	want := map[string]string{"a.csv": "a: 1\tb: 2", "b.rtf": "Rich", "c.eml": "Subject: S\n\nMail.", "d.txt": "Text"}
	for name, data := range map[string]string{"a.csv": "a,b\n1,2", "b.rtf": `{\rtf1 Rich}`, "c.eml": "Subject: S\r\n\r\nMail.", "d.txt": "Text"} {
		files[name] = &fstest.MapFile{Data: []byte(data)}
	}
	for ext := range Readers() {
		files["broken"+ext] = &fstest.MapFile{Data: []byte{}}
	}
	outcomes := 0
	for d, err := range ingest.Walk(t.Context(), files, ingest.Options{Readers: Readers(), Isolated: &ingest.Isolated{}}) {
		require.NotNil(t, d, err)
		if text, ok := want[d.Path]; ok {
			require.NoError(t, err, d.Path)
			assert.Equal(t, text, d.Text(), d.Path)
			continue
		}
		assert.Contains(t, []ingest.Outcome{ingest.Malformed, ingest.Empty, ingest.NotPDF}, d.Outcome, "%s: %v", d.Path, err)
		outcomes++
	}
	assert.Equal(t, len(Readers()), outcomes)
	assert.GreaterOrEqual(t, len(Readers()), 20)
}
