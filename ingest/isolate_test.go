package ingest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

func TestIsolatedReadsTheSame(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, dir := range []string{"testdata/guides", "testdata/hostile"} {
		want, _ := collect(t, os.DirFS(dir), Options{})
		got, _ := collect(t, os.DirFS(dir), Options{Isolated: &Isolated{}, Workers: 2})
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		assert.JSONEq(t, string(a), string(b), dir)
	}
}

func TestIsolatedContainsEverything(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{
		"1.ok": {Data: []byte("x")}, "2.dies": {}, "3.ok": {}, "4.eats": {}, "5.ok": {}, "6.panics": {}, "7.ok": {},
	}
	o := Options{
		Workers: 1, Isolated: &Isolated{MaxMemory: 128 << 20},
		Readers: map[string]Reader{
			".ok": configured{Word: "settings travel"}, ".dies": exiting{}, ".eats": hungry{}, ".panics": &panicking{},
		},
	}
	docs, errs := collect(t, fsys, o)
	require.Len(t, docs, 7)
	for i, d := range docs {
		if strings.HasSuffix(d.Path, ".ok") {
			assert.NoError(t, errs[i])
			assert.Equal(t, "settings travel\n", d.text())
		} else {
			assert.Equal(t, Crashed, d.Outcome, d.Path)
		}
	}
	assert.ErrorContains(t, errs[1], "fatal error: something unrecoverable")
	assert.ErrorContains(t, errs[3], "more than 128 MiB of memory")
	assert.ErrorContains(t, errs[5], "boom")
}

func TestDeadlineIsKept(t *testing.T) {
	ingesttest.NothingLeft(t)
	o := Options{
		Timeout: 500 * time.Millisecond, Isolated: &Isolated{}, Workers: 1,
		Readers: map[string]Reader{".txt": Text{}, ".x": endless{}},
	}
	var start time.Time
	for doc, err := range Walk(context.Background(), fstest.MapFS{"a.txt": {Data: []byte("x")}, "b.x": {}}, o) {
		if doc.Path == "a.txt" {
			start = time.Now() // the child runs: to start one is no document's time
			continue
		}
		assert.ErrorIs(t, err, ErrTimeout)
		assert.Less(t, time.Since(start), o.Timeout+20*time.Second)
	}
}

func TestLeavingTheLoopStopsChildren(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{"a.txt": {Data: []byte("x")}, "b.x": {}, "c.x": {}, "d.x": {}}
	o := Options{Workers: 3, Isolated: &Isolated{}, Readers: map[string]Reader{".txt": Text{}, ".x": endless{}}}
	start := time.Now()
	for range Walk(context.Background(), fsys, o) {
		break
	}
	assert.Less(t, time.Since(start), time.Minute)
}

func TestCancelStopsChildren(t *testing.T) {
	ingesttest.NothingLeft(t)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	o := Options{Isolated: &Isolated{}, Readers: map[string]Reader{".x": endless{}}}
	start := time.Now()
	for doc, err := range Walk(ctx, fstest.MapFS{"a.x": {}}, o) {
		assert.Nil(t, doc)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
	assert.Less(t, time.Since(start), time.Minute)
}

func TestProgramsThatAreNoChildren(t *testing.T) {
	ingesttest.NothingLeft(t)
	echo, err := exec.LookPath("echo")
	if err != nil {
		t.Skip("no echo program here")
	}
	for _, command := range [][]string{{echo}, {"testdata/no-such-program"}} {
		n := 0
		for doc, err := range Walk(context.Background(), fstest.MapFS{"a.txt": {}, "b.txt": {}}, Options{Isolated: &Isolated{Command: command}}) {
			assert.Nil(t, doc)
			assert.ErrorContains(t, err, "child process")
			n++
		}
		assert.Equal(t, 1, n)
	}
}

func TestHelperProgram(t *testing.T) {
	ingesttest.NothingLeft(t)
	helper := []string{os.Args[0], "-test.run=none"} // RunChild looks at the last argument only
	docs, errs := collect(t, fstest.MapFS{"a.txt": {Data: []byte("read by a helper")}}, Options{Isolated: &Isolated{Command: helper}})
	assert.NoError(t, errs[0])
	assert.Equal(t, "read by a helper\n", docs[0].text())
}

func TestReaderThatTheChildDoesNotKnow(t *testing.T) {
	ingesttest.NothingLeft(t)
	for doc, err := range Walk(context.Background(), fstest.MapFS{"a.x": {}}, Options{Isolated: &Isolated{}, Readers: map[string]Reader{".x": unknown{}}}) {
		assert.Nil(t, doc)
		assert.ErrorContains(t, err, "ingest.unknown: pass it to RunChild")
	}
}

func TestRunChildReturnsInOtherPrograms(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, args := range [][]string{nil, {"prog"}, {childArg}, {"prog", "other"}, {"prog", childArg, "more"}} {
		assert.False(t, RunChild(args))
	}
}

func FuzzServeChild(f *testing.F) {
	var good bytes.Buffer
	_ = writeFrame(&good, request{Reader: "ingest.Text", Settings: json.RawMessage("{}"), Size: 2, Timeout: time.Second})
	good.WriteString("hi")
	f.Add(good.Bytes())
	f.Add([]byte{255, 255, 255, 255, '{'})
	f.Fuzz(func(t *testing.T, data []byte) {
		var resp response
		_ = readFrame(bufio.NewReader(bytes.NewReader(data)), &resp)
		var req request
		if readFrame(bufio.NewReader(bytes.NewReader(data)), &req) == nil {
			_, _ = (&library{[]Reader{Text{}, PDF{}}, map[string]Reader{}}).reader(req)
		}
	})
}
