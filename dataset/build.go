package dataset

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Builder makes rows from a passage: none, one, or many. The sequence it returns may be slow (a model that writes questions);
// it ends early when ctx is done. Build fills in Row.ID and Row.Source where they are empty. A Builder need not be safe for
// concurrent use.
type Builder interface {
	Rows(ctx context.Context, p Passage) iter.Seq2[Row, error]
}

// Build makes the rows of all passages, one passage at a time, in their order. Errors of the passages are passed on in their
// place. A builder's error, a row that is not valid (ErrRow), and the end of ctx are the last element. If the passages give
// no row at all, the last element is ErrEmpty.
func Build(ctx context.Context, passages iter.Seq2[Passage, error], b Builder) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		read, built := 0, 0
		for p, err := range passages {
			if err != nil {
				if !yield(Row{}, err) {
					return
				}
				continue
			}
			read++
			n := 0
			for row, err := range b.Rows(ctx, p) {
				if err == nil {
					err = ctx.Err()
				}
				if err == nil {
					row = row.from(p, n)
					err = row.Validate()
				}
				if err != nil {
					yield(Row{}, fmt.Errorf("dataset: build: passage %q: %w", p.ID, err))
					return
				}
				if !yield(row, nil) {
					return
				}
				n++
			}
			built += n
			if err := ctx.Err(); err != nil {
				yield(Row{}, fmt.Errorf("dataset: build: %w", err))
				return
			}
		}
		if built == 0 {
			yield(Row{}, fmt.Errorf("dataset: build: %w: %d passages gave no row; look whether the documents have text", ErrEmpty, read))
		}
	}
}

// from fills in where the n-th row of a passage comes from.
func (r Row) from(p Passage, n int) Row {
	if r.Source == "" {
		r.Source = p.Source
	}
	if r.ID == "" {
		r.ID = p.ID
		if n > 0 {
			r.ID += "/" + strconv.Itoa(n)
		}
	}
	return r
}

// Continuation makes one row of each passage, from which the model learns to go on with its text.
type Continuation struct {
	// Lead is the share of the passage that is given as the prompt, from 0 to below 1; the rest is the completion. It is cut
	// between words; a passage of one word, and every passage when Lead is 0, becomes a row of text, learned whole.
	Lead float64
}

// Validate reports a Lead out of range; the error wraps ErrOptions.
func (c Continuation) Validate() error {
	if c.Lead >= 0 && c.Lead < 1 { // false for NaN
		return nil
	}
	return fmt.Errorf("dataset: continuation: %w: Lead is %v, must be from 0 to below 1", ErrOptions, c.Lead)
}

// Rows implements Builder.
func (c Continuation) Rows(_ context.Context, p Passage) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := c.Validate(); err != nil {
			yield(Row{}, err)
			return
		}
		row := Row{Text: p.Text}
		if prompt, completion, ok := cutAt(p.Text, c.Lead); ok {
			row = Row{Prompt: prompt, Completion: completion}
		}
		row.Meta = passageMeta(p)
		yield(row, nil)
	}
}

// cutAt cuts text after the word in which the given share of its characters ends. The completion begins with the white space,
// as tokenizers expect of words that are not the first.
func cutAt(text string, share float64) (prompt, completion string, ok bool) {
	if share == 0 {
		return "", "", false
	}
	text = strings.TrimSpace(text)
	lead := int(share * float64(utf8.RuneCountInString(text)))
	n := 0
	for i, r := range text {
		if n++; n > lead && unicode.IsSpace(r) {
			return text[:i], text[i:], true
		}
	}
	return "", "", false
}

// passageMeta remembers a passage in the rows made of it.
func passageMeta(p Passage) map[string]string {
	meta := map[string]string{"passage": p.ID}
	if p.FirstPage > 0 {
		meta["pages"] = fmt.Sprintf("%d-%d", p.FirstPage, p.LastPage)
	}
	return meta
}
