package infer_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/golden"
	"github.com/docent-ml/docent/internal/lm/infer"
)

// TestHiddenAndLogits: the logits of a text that is read as a whole are those of the model, whatever its length is
// rounded up to.
func TestHiddenAndLogits(t *testing.T) {
	backend := golden.Backend(t)
	for _, dir := range golden.Tiny(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			m := golden.Open(t, backend, "dir:"+filepath.Join(dir, "model"), true)
			vocab := m.Config.VocabSize
			ids := randomIDs(rand.New(rand.NewPCG(5, 6)), 70, vocab)
			want := golden.Logits(t, backend, m, ids, []int{len(ids)})
			s := newSlots(t, m, backend, infer.Options{Slots: 2})
			hidden, err := s.Hidden(ids, nil)
			require.NoError(t, err)
			require.Len(t, hidden, len(ids))
			var got []float32
			for from := 0; from < len(hidden); from += infer.ScorePiece {
				rows, err := s.Logits(hidden[from:min(from+infer.ScorePiece, len(hidden))])
				require.NoError(t, err)
				for _, row := range rows {
					got = append(got, row...)
				}
			}
			golden.Close(t, want, got, 1e-5, "logits")

			_, err = s.Hidden(nil, nil)
			assert.Error(t, err)
			_, err = s.Hidden(make([]int32, s.Context()+1), nil)
			assert.Error(t, err)
			_, err = s.Logits(hidden[:infer.ScorePiece+1])
			assert.Error(t, err)
		})
	}
}
