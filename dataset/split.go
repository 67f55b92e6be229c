package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
)

// Split divides rows into those to train on and those to evaluate with. Rows of one group fall on one side, all of them. The zero
// value keeps a tenth of the documents for evaluation.
//
// Groups are ordered by a hash of their name and Seed, and the first go to evaluation: as many as Fraction says, rounded, but at
// least one of two. So a few documents are divided as well as thousands, the order of rows does not matter, and the same rows
// give the same sides. Each side ranges the rows twice, and holds 8 bytes for each group in between.
type Split struct {
	Fraction float64 // share of the groups for evaluation, above 0 and below 1; 0 is 0.1
	Seed     uint64
	// By names the group of a row. Nil is the document: Row.Source, or ByRow where that is empty. ByRow divides row by row;
	// then parts of a document are on both sides, and with overlapping passages some of the same text is.
	By func(Row) string
}

// ByRow names a row by what it says, so that copies of a row are never on both sides.
func ByRow(r Row) string {
	content, err := json.Marshal(Row{Text: r.Text, Prompt: r.Prompt, Completion: r.Completion, Messages: r.Messages})
	if err != nil { // strings always encode
		return r.ID
	}
	return string(content)
}

// Validate reports a Fraction out of range; the error wraps ErrOptions.
func (s Split) Validate() error {
	if s.Fraction >= 0 && s.Fraction < 1 { // false for NaN
		return nil
	}
	return fmt.Errorf("dataset: split: %w: Fraction is %v, must be above 0 and below 1 (0 is 0.1)", ErrOptions, s.Fraction)
}

// Train returns the rows to train on, in their order. Errors of the rows are passed on in their place, here and by Eval. If there
// are no rows at all, the last element is ErrEmpty.
func (s Split) Train(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] { return s.side(rows, false) }

// Eval returns the rows to evaluate with, in their order. If there are none, because all rows are of one group, the last element
// is ErrEmpty.
func (s Split) Eval(rows iter.Seq2[Row, error]) iter.Seq2[Row, error] { return s.side(rows, true) }

func (s Split) side(rows iter.Seq2[Row, error], eval bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := s.Validate(); err != nil {
			yield(Row{}, err)
			return
		}
		groups := map[uint64]struct{}{}
		for row, err := range rows {
			if err == nil {
				groups[s.rank(row)] = struct{}{}
			}
		}
		limit := s.limit(groups)
		given := 0
		for row, err := range rows {
			if err != nil {
				if !yield(Row{}, err) {
					return
				}
				continue
			}
			rank := s.rank(row)
			if _, known := groups[rank]; !known {
				yield(Row{}, errors.New("dataset: split: the rows were not the same when read a second time: write them to a file first"))
				return
			}
			if (rank < limit) == eval {
				given++
				if !yield(row, nil) {
					return
				}
			}
		}
		if given > 0 {
			return
		}
		if len(groups) == 1 {
			yield(Row{}, fmt.Errorf("dataset: split: %w: all rows are of one group, so none is left to evaluate with: divide with By: ByRow", ErrEmpty))
			return
		}
		yield(Row{}, fmt.Errorf("dataset: split: %w: no rows", ErrEmpty))
	}
}

// limit returns the rank below which groups are for evaluation.
func (s Split) limit(groups map[uint64]struct{}) uint64 {
	if len(groups) < 2 {
		return 0
	}
	fraction := s.Fraction
	if fraction == 0 {
		fraction = 0.1
	}
	ranks := make([]uint64, 0, len(groups))
	for rank := range groups {
		ranks = append(ranks, rank)
	}
	slices.Sort(ranks)
	n := int(math.Round(fraction * float64(len(ranks))))
	return ranks[min(max(n, 1), len(ranks)-1)]
}

// rank places the group of a row among all groups.
func (s Split) rank(r Row) uint64 {
	by := s.By
	if by == nil {
		by = bySource
	}
	name := by(r)
	hash := sha256.New()
	_ = binary.Write(hash, binary.LittleEndian, s.Seed)
	hash.Write([]byte(name))
	return binary.LittleEndian.Uint64(hash.Sum(nil))
}

func bySource(r Row) string {
	if r.Source == "" {
		return ByRow(r)
	}
	return r.Source
}
