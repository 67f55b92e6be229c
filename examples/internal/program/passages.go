package program

import (
	"iter"

	"github.com/docent-ml/docent/chunk"
	"github.com/docent-ml/docent/dataset"
)

// Passages makes passages of chunks: the few lines that keep packages chunk and dataset apart.
func Passages(chunks iter.Seq2[chunk.Chunk, error]) iter.Seq2[dataset.Passage, error] {
	return func(yield func(dataset.Passage, error) bool) {
		for c, err := range chunks {
			if !yield(dataset.Passage{ID: c.ID, Source: c.Source, Text: c.Text, FirstPage: c.FirstPage, LastPage: c.LastPage}, err) {
				return
			}
		}
	}
}
