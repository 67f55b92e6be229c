package dataset_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func TestReadGoesOnAfterBadLines(t *testing.T) {
	in := strings.Join([]string{
		"\ufeff" + `{"text":"one"}`,
		"",
		`{"text":"two"`,
		`{"text":"three","more":{"deep":[1]}}` + "\r",
		`{"txt":"misspelt"}`,
		`{"text":4}`,
		`null`,
		`[]`,
		"{\"text\":\"\xff\"}",
		`{"text":"a"} {"text":"b"}`,
		"  ",
		`{"prompt":"p","completion":"last, without a line end"}`,
	}, "\n")
	var lines []int
	var texts []string
	for row, err := range dataset.Read[dataset.Row](strings.NewReader(in)) {
		if err == nil {
			texts = append(texts, row.Text+row.Completion)
			continue
		}
		var bad *dataset.LineError
		require.ErrorAs(t, err, &bad)
		require.ErrorIs(t, err, dataset.ErrRow)
		lines = append(lines, bad.Line)
	}
	assert.Equal(t, []int{3, 5, 6, 7, 8, 9, 10}, lines)
	assert.Equal(t, []string{"one", "three", "last, without a line end"}, texts)
	assert.Empty(t, collect(t, dataset.Read[dataset.Row](strings.NewReader(""))))
}

func TestReadIsSingleUse(t *testing.T) {
	rows := dataset.Read[dataset.Row](strings.NewReader(`{"text":"one"}`))
	assert.Len(t, collect(t, rows), 1)
	for _, err := range rows {
		assert.ErrorContains(t, err, "single use")
	}
}

func TestReadLongLines(t *testing.T) {
	const limit = 64 << 20
	text := strings.Repeat("x", 1<<20)
	endless := io.MultiReader(
		strings.NewReader(`{"text":"`+text+`"}`+"\n"),
		io.LimitReader(repeat('y'), limit+1), strings.NewReader("\n"),
		strings.NewReader(`{"text":"after"}`))
	got := described(dataset.Read[dataset.Row](endless), func(r dataset.Row) string { return r.Text })
	assert.Equal(t, []string{text, "!line 2: bad row: longer than 64 MiB", "after"}, got)
}

type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte{byte(r)}, len(p))), nil
}

func TestReadStopsWhereTheReaderFails(t *testing.T) {
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader("{\"text\":\"one\"}\n{\"te"), iotest.ErrReader(broken))
	got := described(dataset.Read[dataset.Row](r), func(r dataset.Row) string { return r.Text })
	require.Len(t, got, 2)
	assert.Equal(t, "one", got[0])
	assert.Contains(t, got[1], "after line 1: disk on fire")
}

func TestReadFile(t *testing.T) {
	dir := fstest.MapFS{"data/train.jsonl": {Data: []byte("{\"text\":\"one\"}\n{}\n{\"text\":\"two\"}\n")}}
	rows := dataset.ReadFile[dataset.Row](dir, "data/train.jsonl")
	for range 2 { // once per epoch
		got := described(rows, func(r dataset.Row) string { return r.Text })
		assert.Equal(t, "one two", got[0]+" "+got[2])
		assert.True(t, strings.HasPrefix(got[1], "!data/train.jsonl:2: "), got[1])
	}
	n := 0
	for _, err := range dataset.ReadFile[dataset.Row](dir, "data/eval.jsonl") {
		require.ErrorIs(t, err, fs.ErrNotExist)
		n++
	}
	assert.Equal(t, 1, n)
}

// Types of the caller are read and written as they are: other fields of a line do not hinder.
func TestReadOtherTypes(t *testing.T) {
	line := `{"id":"a.pdf#0","source":"a.pdf","text":"x","index":0,"first_page":2,"last_page":3,"start":0,"end":1,"size":1}`
	assert.Equal(t, []dataset.Passage{{ID: "a.pdf#0", Source: "a.pdf", Text: "x", FirstPage: 2, LastPage: 3}},
		collect(t, dataset.Read[dataset.Passage](strings.NewReader(line))))
	assert.Equal(t, []map[string]int{{"a": 1}}, collect(t, dataset.Read[map[string]int](strings.NewReader(`{"a":1}`))))
	var out bytes.Buffer
	n, err := dataset.Write(&out, values(map[string]int{"a": 1}, map[string]int{}))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Equal(t, "{\"a\":1}\n{}\n", out.String())
}

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	n, err := dataset.Write(&out, values(
		dataset.Row{ID: "1", Source: "a.pdf", Text: "<b> & \"c\"\nd\u2028ü"},
		dataset.Row{Messages: chat("user", "u", "assistant", "a"), Meta: map[string]string{"k": "v"}},
	))
	require.NoError(t, err)
	assert.Equal(t, 2, n)
	assert.Equal(t, `{"id":"1","source":"a.pdf","text":"<b> & \"c\"\nd\u2028ü"}
{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"a"}],"meta":{"k":"v"}}
`, out.String())
}

func TestWriteStops(t *testing.T) {
	row := func(text string) dataset.Row { return dataset.Row{Text: text} }
	for _, test := range []struct{ bad, message string }{{"!broken", "item 2: !broken"}, {"?line", "item 2: f:3: ?line"}, {"", "item 2: bad row"}} {
		var out bytes.Buffer
		n, err := dataset.Write(&out, mapped(items("one", test.bad, "two"), row))
		require.ErrorContains(t, err, test.message)
		assert.Equal(t, 1, n)
		assert.Equal(t, "{\"text\":\"one\"}\n", out.String())
	}
	_, err := dataset.Write(iotest.TruncateWriter(failing{}, 0), values(row("x")))
	require.NoError(t, err)
	_, err = dataset.Write(failing{}, values(row("x")))
	require.ErrorIs(t, err, io.ErrShortWrite)
	_, err = dataset.Write(failing{}, values(row(strings.Repeat("x", 1<<20)), row("y")))
	require.ErrorIs(t, err, io.ErrShortWrite)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "{}", "null\n", `{"text":"a"}`, "{\"prompt\":\"p\",\"completion\":\"c\"}\n\n[", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"meta":{"a":"b"}}`, "\xff\n{", `{"text":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var rows []dataset.Row
		last := 0
		for row, err := range dataset.Read[dataset.Row](bytes.NewReader(data)) {
			if err != nil {
				var bad *dataset.LineError
				require.ErrorAs(t, err, &bad)
				require.Greater(t, bad.Line, last)
				last = bad.Line
				require.Equal(t, dataset.Row{}, row)
				continue
			}
			require.NoError(t, row.Validate())
			rows = append(rows, row)
		}
		require.LessOrEqual(t, last, bytes.Count(data, []byte("\n"))+1)
		var out bytes.Buffer
		n, err := dataset.Write(&out, values(rows...))
		require.NoError(t, err)
		require.Equal(t, len(rows), n)
		require.Equal(t, n, bytes.Count(out.Bytes(), []byte("\n")))
		want, err := json.Marshal(rows)
		require.NoError(t, err)
		got, err := json.Marshal(collect(t, dataset.Read[dataset.Row](bytes.NewReader(out.Bytes()))))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), "written and read again")
	})
}

func FuzzRowRoundTrip(f *testing.F) {
	f.Add("text", "prompt", "completion", "user", "content")
	f.Add("", "", "", "assistant", "\u2028<&>\x00\n")
	f.Add("a\xff", "", "", "", "")
	f.Fuzz(func(t *testing.T, text, prompt, completion, role, content string) {
		row := dataset.Row{Text: text, Prompt: prompt, Completion: completion}
		if role != "" {
			row.Messages = chat("user", content, role, content)
		}
		var out bytes.Buffer
		_, err := dataset.Write(&out, values(row))
		if row.Validate() != nil {
			require.ErrorIs(t, err, dataset.ErrRow)
			return
		}
		require.NoError(t, err)
		require.True(t, utf8.Valid(out.Bytes()))
		require.Equal(t, []dataset.Row{row}, collect(t, dataset.Read[dataset.Row](&out)))
	})
}
