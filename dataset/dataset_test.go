package dataset_test

import (
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/dataset"
)

func values[T any](items ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range items {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func collect[T any](t testing.TB, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for v, err := range seq {
		require.NoError(t, err)
		all = append(all, v)
	}
	return all
}

// items is a sequence of texts, in which a text that begins with "!" is an error, and one with "?" an error of one line.
func items(texts ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, text := range texts {
			var err error
			switch {
			case strings.HasPrefix(text, "!"):
				err = errors.New(text)
			case strings.HasPrefix(text, "?"):
				err = &dataset.LineError{Name: "f", Line: 3, Err: errors.New(text)}
			}
			if !yield(text, err) {
				return
			}
		}
	}
}

func mapped[S, T any](seq iter.Seq2[S, error], f func(S) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range seq {
			if !yield(f(v), err) {
				return
			}
		}
	}
}

// described writes a sequence as texts: its values, and its errors behind "!".
func described[T any](seq iter.Seq2[T, error], f func(T) string) []string {
	var got []string
	for v, err := range seq {
		if err != nil {
			got = append(got, "!"+err.Error())
		} else {
			got = append(got, f(v))
		}
	}
	return got
}

func chat(turns ...string) []dataset.Message {
	var messages []dataset.Message
	for i := 0; i < len(turns); i += 2 {
		messages = append(messages, dataset.Message{Role: turns[i], Content: turns[i+1]})
	}
	return messages
}

func TestRowValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		row    dataset.Row
		faults []string
	}{
		{"text", dataset.Row{Text: "a"}, nil},
		{"pair", dataset.Row{Prompt: "a", Completion: "b"}, nil},
		{"chat", dataset.Row{Messages: chat("system", "s", "user", "u", "assistant", "a", "user", "u", "assistant", "a")}, nil},
		{"nothing", dataset.Row{ID: "x", Source: "y"}, []string{"neither text"}},
		{"text and pair", dataset.Row{Text: "a", Completion: "b"}, []string{"more than one"}},
		{"text and chat", dataset.Row{Text: "a", Messages: chat("assistant", "a")}, []string{"more than one"}},
		{"pair and chat", dataset.Row{Prompt: "a", Messages: chat("assistant", "a")}, []string{"more than one"}},
		{"blank text", dataset.Row{Text: " \n"}, []string{"text is empty"}},
		{"no completion", dataset.Row{Prompt: "a"}, []string{"completion is empty"}},
		{"no prompt", dataset.Row{Completion: "a"}, []string{"prompt is empty"}},
		{"not UTF-8", dataset.Row{Text: "a\xff"}, []string{"text is not UTF-8"}},
		{"question last", dataset.Row{Messages: chat("user", "u", "assistant", "a", "user", "u")}, []string{`last message is from "user"`}},
		{"two faults", dataset.Row{Messages: chat("bot", "x", "assistant", "")}, []string{`messages[0].role is "bot"`, "messages[1].content is empty"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.row.Validate()
			if test.faults == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, dataset.ErrRow)
			for _, fault := range test.faults {
				assert.ErrorContains(t, err, fault)
			}
		})
	}
}

func TestPassageValidate(t *testing.T) {
	require.NoError(t, dataset.Passage{Source: "a", Text: "b"}.Validate())
	err := dataset.Passage{Text: " "}.Validate()
	require.ErrorIs(t, err, dataset.ErrRow)
	assert.ErrorContains(t, err, "text is empty")
	assert.ErrorContains(t, err, "source is empty")
}

func TestLineError(t *testing.T) {
	cause := errors.New("bad")
	assert.Equal(t, "train.jsonl:3: bad", (&dataset.LineError{Name: "train.jsonl", Line: 3, Err: cause}).Error())
	assert.Equal(t, "line 3: bad", (&dataset.LineError{Line: 3, Err: cause}).Error())
	assert.Equal(t, "bad", (&dataset.LineError{Err: cause}).Error())
	assert.ErrorIs(t, &dataset.LineError{Err: cause}, cause)
}

func TestConcat(t *testing.T) {
	self := func(s string) string { return s }
	assert.Equal(t, []string{"a", "!f:3: ?b", "c", "d"}, described(dataset.Concat(items("a", "?b"), items(), items("c", "d")), self))
	assert.Empty(t, described(dataset.Concat[string](), self))
	for range dataset.Concat(items("a"), func(func(string, error) bool) { t.Error("the second was ranged") }) {
		break
	}
}

func TestSpread(t *testing.T) {
	list := []int{0, 1, 2, 3, 4, 5, 6}
	assert.Equal(t, []int{0, 2, 4}, dataset.Spread(list, 3))
	assert.Equal(t, []int{0}, dataset.Spread(list, 1))
	for _, n := range []int{-1, 0, 7, 8} {
		assert.Equal(t, list, dataset.Spread(list, n), "all, for %d", n)
	}
}
