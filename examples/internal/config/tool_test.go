package config

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoadTool(t *testing.T) {
	tool, explain, err := LoadTool(Input{
		Folder:  files("base.json", `{"registry": "http://mlflow:5000", "slots": 3, "epochs": 2}`),
		Environ: []string{"MLFLOW_TRACKING_TOKEN=secret", "EPOCHS=bad", "PDF_DIR=x"},
		Args:    []string{"promote", "-registry", "file:here", "guide", "3"},
	})
	require.NoError(t, err, "the settings of the other programs are checked in files and not looked at elsewhere")
	assert.Equal(t, Registry{Dir: "here"}, tool.Registry)
	assert.Equal(t, []string{"promote", "guide", "3"}, tool.Args)
	assert.Equal(t, "secret", tool.MLflow.Token.Reveal())
	assert.NotContains(t, explain.String(), "secret")

	_, _, err = LoadTool(Input{Args: []string{"list", "-epochs", "3"}})
	assert.ErrorContains(t, err, "epochs")
	_, _, err = LoadTool(Input{Args: []string{"list", "-regisrty", "x"}})
	assert.ErrorContains(t, err, `did you mean "registry"`)
	_, _, err = LoadTool(Input{Args: []string{"-h"}})
	require.ErrorIs(t, err, flag.ErrHelp)
	_, _, err = LoadServer(Input{Args: []string{"list"}})
	assert.ErrorContains(t, err, "unexpected argument")
}
