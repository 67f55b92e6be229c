package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/ingesttest"
)

// scripted answers as its fields say.
type scripted struct {
	Pages  []Page
	Faults []Fault
	Fail   Outcome
	Sleep  time.Duration
}

func (s scripted) Read(ctx context.Context, r io.ReaderAt, size int64) (*Document, error) {
	select {
	case <-time.After(s.Sleep):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s.Fail != "" {
		return nil, fmt.Errorf("%w: as told", errorOf(s.Fail))
	}
	return &Document{Pages: append([]Page(nil), s.Pages...), Faults: append([]Fault(nil), s.Faults...)}, nil
}

func TestFallback(t *testing.T) {
	ingesttest.NothingLeft(t)
	text := func(numbers ...int) (pages []Page) {
		for _, n := range numbers {
			pages = append(pages, Page{n, fmt.Sprintf("first %d", n)})
		}
		return pages
	}
	second := scripted{Pages: []Page{{1, "second 1"}, {2, "second 2"}, {3, "second 3"}}}
	cases := map[string]struct {
		first, second scripted
		want          string
		outcome       Outcome
		fallback      bool
	}{
		"good":           {scripted{Pages: text(1, 2)}, second, "first 1\n\nfirst 2", OK, false},
		"malformed":      {scripted{Fail: Malformed}, second, "second 1\n\nsecond 2\n\nsecond 3", OK, true},
		"crashed":        {scripted{Fail: Crashed}, second, "second 1\n\nsecond 2\n\nsecond 3", OK, true},
		"encrypted":      {scripted{Fail: Encrypted}, second, "second 1\n\nsecond 2\n\nsecond 3", OK, true},
		"no text":        {scripted{Pages: []Page{{1, " "}}}, second, "second 1\n\nsecond 2\n\nsecond 3", OK, true},
		"a page failed":  {scripted{Pages: text(1, 3), Faults: []Fault{{2, "bad"}}}, second, "first 1\n\nsecond 2\n\nfirst 3", OK, true},
		"a page doubted": {scripted{Pages: text(1, 2), Faults: []Fault{{2, "doubt"}}}, second, "first 1\n\nsecond 2", OK, true},
		"both doubt":     {scripted{Pages: text(1, 2), Faults: []Fault{{2, "doubt"}}}, scripted{Pages: second.Pages, Faults: []Fault{{2, "doubt too"}}}, "first 1\n\nfirst 2", Partial, false},
		"both cut short": {scripted{Pages: text(1, 2), Faults: []Fault{{2, "cut"}}}, scripted{Pages: text(1, 2)}, "first 1\n\nfirst 2", Partial, false},
		"only second has it": {
			scripted{Pages: text(1), Faults: []Fault{{2, "bad"}}}, scripted{Pages: second.Pages, Faults: []Fault{{2, "doubt"}}}, "first 1\n\nsecond 2", Partial, true,
		},
		"both fail":         {scripted{Fail: Malformed}, scripted{Fail: Crashed}, "", Malformed, false},
		"second has less":   {scripted{Pages: text(1), Faults: []Fault{{2, "bad"}}}, scripted{Fail: Malformed}, "first 1", Partial, false},
		"cut on purpose":    {scripted{Pages: text(1), Faults: []Fault{{0, "1 of 9 pages read"}}}, second, "first 1", Partial, false},
		"no such kind":      {scripted{Fail: NotPDF}, second, "", NotPDF, false},
		"first is too slow": {scripted{Sleep: time.Hour}, second, "second 1\n\nsecond 2\n\nsecond 3", OK, true},
	}
	for _, iso := range []*Isolated{nil, {}} {
		for name, c := range cases {
			o := Options{
				Readers: map[string]Reader{".x": c.first}, Fallback: map[string]Reader{".x": c.second}, Isolated: iso, Timeout: time.Second,
			}
			d, err := one(t, fstest.MapFS{"a.x": {Data: []byte("bytes")}}, o)
			assert.Equal(t, c.want, d.Text(), name)
			assert.Equal(t, c.outcome, d.Outcome, name)
			assert.Equal(t, c.fallback, d.Fallback, name)
			assert.Equal(t, c.outcome.HasText(), err == nil, name)
			assert.Equal(t, c.outcome != OK, len(d.Faults) > 0, name)
			assert.Len(t, d.ID, 64, name)
		}
	}
}

// The second reader must not hold up documents that do not need it, nor take
// its waiting out of the time of those that do.
func TestFallbackWaitsOutsideOfTheDeadline(t *testing.T) {
	ingesttest.NothingLeft(t)
	fsys := fstest.MapFS{}
	for i := range 6 {
		fsys[fmt.Sprintf("%d.x", i)] = &fstest.MapFile{Data: []byte("x")}
	}
	o := Options{
		Workers: 6, Isolated: &Isolated{}, Timeout: 2 * time.Second, Readers: map[string]Reader{".x": scripted{Fail: Malformed}},
		Fallback: map[string]Reader{".x": scripted{Pages: []Page{{1, "late"}}, Sleep: 900 * time.Millisecond}},
	}
	docs, _ := collect(t, fsys, o)
	for _, d := range docs {
		assert.Equal(t, OK, d.Outcome, d.Path)
	}
}

// preparing takes longer to start than documents may.
type preparing struct{ Fail bool }

func (p *preparing) Prepare(ctx context.Context) error {
	time.Sleep(300 * time.Millisecond)
	if p.Fail {
		return errors.New("no engine")
	}
	return nil
}

func (*preparing) Read(context.Context, io.ReaderAt, int64) (*Document, error) {
	return &Document{Pages: []Page{{1, "ready"}}}, nil
}

func TestPrepareIsNoDocumentsTime(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, iso := range []*Isolated{nil, {}} {
		o := Options{Readers: map[string]Reader{".x": &preparing{}}, Isolated: iso, Timeout: 200 * time.Millisecond}
		d, err := one(t, fstest.MapFS{"a.x": {}}, o)
		assert.NoError(t, err)
		assert.Equal(t, "ready", d.Text())
		o.Readers[".x"] = &preparing{Fail: true}
		for doc, err := range Walk(context.Background(), fstest.MapFS{"a.x": {}, "b.x": {}}, o) {
			assert.Nil(t, doc, "no document can be read")
			assert.ErrorContains(t, err, "no engine")
		}
	}
}

func TestFallbackIsCounted(t *testing.T) {
	ingesttest.NothingLeft(t)
	var r Report
	r.Add(&Document{Path: "a", Outcome: OK, Fallback: true})
	r.Add(&Document{Path: "b", Outcome: OK})
	assert.Equal(t, 1, r.Fallback)
	assert.Contains(t, r.String(), "1 of them with the fallback")
}

func TestAddPageJudges(t *testing.T) {
	ingesttest.NothingLeft(t)
	var d Document
	d.AddPage(1, "all of it can be read")
	d.AddPage(2, "\ufffd\ufffd bad, but mostly words all the way to its end")
	d.AddPage(3, "\ufffd\ufffd\ufffd\ufffd a")
	require.Len(t, d.Pages, 2)
	require.Len(t, d.Faults, 2)
	assert.Equal(t, []int{2, 3}, []int{d.Faults[0].Page, d.Faults[1].Page})
}
