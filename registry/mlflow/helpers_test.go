package mlflow

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
)

// publish does what a trainer does.
func publish(t *testing.T, c *Client, name string, model fs.FS) registry.Version {
	t.Helper()
	run, err := c.StartRun(t.Context(), "experiment of "+name, "a run", nil)
	require.NoError(t, err)
	require.NoError(t, run.LogParams(t.Context(), map[string]string{"rank": "8"}))
	require.NoError(t, run.SetTags(t.Context(), map[string]string{"user": "ada"}))
	require.NoError(t, run.LogInput(t.Context(), registry.Input{Name: "train.jsonl", Digest: strings.Repeat("d", 64), Context: "training"}))
	require.NoError(t, run.LogMetrics(t.Context(), 1, map[string]float64{"loss": 2.5}))
	require.NoError(t, run.LogArtifacts(t.Context(), "report", fstest.MapFS{"report.html": {Data: []byte("<p>")}}))
	source, err := run.LogModel(t.Context(), name, model)
	require.NoError(t, err)
	v, err := c.Register(t.Context(), name, source, nil)
	require.NoError(t, err)
	_, err = c.Promote(t.Context(), name, v.Number, registry.PromoteOptions{})
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))
	return v
}

// statFS is what os.DirFS returns.
type statFS interface {
	fs.FS
	fs.StatFS
}

// switching is a folder in which a file changes between the first time it is opened and the second.
type switching struct {
	FS     statFS
	change func()
	opened int
}

func (s *switching) Open(name string) (fs.File, error) {
	if name == "f" {
		if s.opened++; s.opened == 2 {
			s.change()
		}
	}
	return s.FS.Open(name)
}

// theirRun makes a run as another client does.
func theirRun(t *testing.T, c *Client) string {
	t.Helper()
	var out struct {
		Run wireRun `json:"run"`
	}
	require.NoError(t, c.s.post(t.Context(), "runs/create", map[string]string{"experiment_id": "0"}, &out))
	return out.Run.Info.ID
}

// theirModel makes a logged model as another client does.
func theirModel(t *testing.T, c *Client) string {
	t.Helper()
	var out struct {
		Model wireLoggedModel `json:"model"`
	}
	require.NoError(t, c.s.post(t.Context(), "logged-models", map[string]string{"experiment_id": "0", "name": "theirs"}, &out))
	require.NoError(t, c.s.setModelStatus(t.Context(), out.Model.Info.ID, modelReady))
	return out.Model.Info.ID
}
