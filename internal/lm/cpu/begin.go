package cpu

import (
	"errors"
	"fmt"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/room"
)

// ErrMemory is wrapped when there is not enough memory.
var ErrMemory = errors.New("not enough memory")

// Begin refuses weights that the machine, or its container, has no memory for: before the first of them is read, since later the
// system would end the process without a word. Give it to model.Options.
func (w *Weights) Begin(params []lm.Param) error {
	bits := map[Storage]float64{F32: 32, BF16: 16, Int8: 9, Int4: 6, Stored: 4.5} // at least
	need := 0.0
	for _, p := range params {
		need += float64(p.Size()) * bits[w.storage] / 8
	}
	r, known := room.Read(w.root)
	if !known || need <= float64(r.Left) {
		return nil
	}
	return fmt.Errorf("%w: the weights take %.1f GB as %s, and there are %.1f GB: take a smaller model, or a lower precision", ErrMemory, need/1e9, w.storage, float64(r.Left)/1e9)
}
