package chunk_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/chunk"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      chunk.Options
		faults []string
	}{
		{"default", chunk.DefaultOptions(), nil},
		{"no overlap", chunk.Options{Size: 1}, nil},
		{"largest overlap", chunk.Options{Size: 10, Overlap: 9}, nil},
		{"zero", chunk.Options{}, []string{"Size is 0"}},
		{"negative size", chunk.Options{Size: -1200}, []string{"Size is -1200"}},
		{"negative overlap", chunk.Options{Size: 10, Overlap: -1}, []string{"Overlap is -1"}},
		{"overlap as large as size", chunk.Options{Size: 200, Overlap: 200}, []string{"Overlap is 200", "Size, which is 200"}},
		{"overlap larger than size", chunk.Options{Size: 200, Overlap: 1200}, []string{"Overlap is 1200"}},
		{"two faults", chunk.Options{Size: 0, Overlap: -3}, []string{"Size is 0", "Overlap is -3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := chunk.New(test.o)
			if test.faults == nil {
				require.NoError(t, err)
				require.NotNil(t, s)
				return
			}
			require.ErrorIs(t, err, chunk.ErrOptions)
			for _, fault := range test.faults {
				assert.ErrorContains(t, err, fault)
			}
			assert.Nil(t, s)
		})
	}
}

func splitter(t testing.TB, o chunk.Options) *chunk.Splitter {
	t.Helper()
	s, err := chunk.New(o)
	require.NoError(t, err)
	return s
}
