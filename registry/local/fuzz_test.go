package local

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/artifact"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// FuzzModelFile checks that what is accepted can be used and written again, and that promoting keeps it legal.
func FuzzModelFile(f *testing.F) {
	f.Add([]byte(`{"name":"a","created":"2026-01-31T12:00:00Z","aliases":{"b":1},"promoted":{"Production":1},"versions":[` +
		`{"number":1,"run":"r","path":"m","stage":"Production","status":"READY","created":"2026-01-31T12:00:00Z"},` +
		`{"number":2,"run":"r","stage":"None","status":"PENDING","created":"2026-01-31T12:00:00Z","tags":{"k":"v"}}]}`))
	f.Add([]byte(`{"name":"a","versions":[]}`))
	f.Add([]byte(`{"name":"a","versions":null,"aliases":{"b":-1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m modelFile
		if artifact.DecodeJSON(data, &m) != nil || m.check("a") != nil {
			return
		}
		for n := range m.Versions {
			require.Equal(t, n+1, m.export(n+1).Number)
		}
		for _, u := range []registry.URI{{Name: "a"}, {Name: "a", Stage: registry.Production}, {Name: "a", Alias: "b"}, {Name: "a", Alias: "production"}} {
			if _, n, err := impl.Find(u, m.holder, m.Aliases, m.latest()); err == nil {
				require.True(t, n >= 1 && n <= len(m.Versions))
			}
		}
		if _, err := m.promote(1, registry.Production, false); err == nil {
			require.Equal(t, 1, m.holder(registry.Production))
		}
		written, err := json.Marshal(m)
		if err != nil {
			return // a year that RFC 3339 cannot write
		}
		var again modelFile
		require.NoError(t, artifact.DecodeJSON(written, &again))
		require.NoError(t, again.check("a"))
	})
}

func FuzzRunFile(f *testing.F) {
	f.Add([]byte(`{"id":"r","experiment":"e","name":"n","status":"FINISHED","started":"2026-01-31T12:00:00Z","ended":"2026-01-31T12:00:00Z",` +
		`"params":{"a":"b"},"tags":{},"inputs":[{"name":"x"}],"metrics":{"loss":{"value":"NaN","step":1,"time":"2026-01-31T12:00:00Z"}}}`))
	f.Add([]byte(`{"id":"r","experiment":"e","status":"RUNNING"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r runFile
		if artifact.DecodeJSON(data, &r) != nil || r.check("e", "r") != nil {
			return
		}
		info := r.info(r.Metrics)
		require.Equal(t, info.Status == registry.Running, info.Ended.IsZero() && r.Ended == nil)
		require.Len(t, info.Metrics, len(r.Metrics))
	})
}

func FuzzMetricLines(f *testing.F) {
	f.Add([]byte(`{"step":1,"time":"2026-01-31T12:00:00Z","metrics":{"loss":1.5,"b":"NaN","c":"Infinity","d":"-Infinity"}}` + "\n{\"step\":"))
	f.Add([]byte("{\"step\":1,\"metrics\":{\"a\":null}}\n"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 0
		for line, err := range readMetricLines(t.Context(), bytes.NewReader(data)) {
			if err != nil {
				require.ErrorIs(t, err, registry.ErrCorrupt)
				continue
			}
			lines++
			written, err := json.Marshal(line)
			if err != nil {
				continue // a year that RFC 3339 cannot write
			}
			var again metricLine
			require.NoError(t, artifact.DecodeJSON(written, &again))
			require.Len(t, again.Metrics, len(line.Metrics))
		}
		require.LessOrEqual(t, lines, bytes.Count(data, []byte("\n")))
	})
}
