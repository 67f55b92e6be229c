package mlflow

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/internal/impl"
)

// The types of the API. A field of the wrong JSON type makes the server stop reading there and still answer 200, so
// nothing here is an any: strings are strings, lists are left out when empty and never null.

// texts is the body of a call whose fields are all strings.
type texts map[string]string

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type wireMetric struct {
	Key       string  `json:"key"`
	Value     number  `json:"value"`
	Timestamp integer `json:"timestamp"` // ms
	Step      integer `json:"step"`
	ModelID   string  `json:"model_id,omitempty"` // of the logged model that it is a metric of, too
}

// integer is a 64-bit integer, which JSON made from protobuf writes as a number or as a string.
type integer int64

func (i *integer) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	*i = integer(n)
	return err
}

// number is a metric's value. JSON has no literal for some of them, and null is none.
type number float64

func (v number) MarshalJSON() ([]byte, error) { return impl.MarshalMetric(float64(v)) }

func (v *number) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" {
		return errors.New("null is not a metric's value")
	}
	f, err := strconv.ParseFloat(text, 64)
	*v = number(f)
	return err
}

type wireExperiment struct {
	ID        string `json:"experiment_id"`
	Name      string `json:"name"`
	Lifecycle string `json:"lifecycle_stage"`
}

const deleted = "deleted"

type wireRun struct {
	Info struct {
		ID          string  `json:"run_id"`
		Experiment  string  `json:"experiment_id"`
		Name        string  `json:"run_name"`
		Status      string  `json:"status"`
		Start       integer `json:"start_time"`
		End         integer `json:"end_time"`
		ArtifactURI string  `json:"artifact_uri"`
		Lifecycle   string  `json:"lifecycle_stage"`
	} `json:"info"`
	Data struct {
		Metrics []wireMetric `json:"metrics"`
		Params  []pair       `json:"params"`
		Tags    []pair       `json:"tags"`
	} `json:"data"`
	Inputs struct {
		Datasets []wireInput `json:"dataset_inputs"`
	} `json:"inputs"`
	Outputs struct {
		Models []wireOutput `json:"model_outputs"`
	} `json:"outputs"`
}

type wireOutput struct {
	ModelID string `json:"model_id"`
	Step    int64  `json:"step"`
}

type wireInput struct {
	Tags    []pair      `json:"tags,omitempty"`
	Dataset wireDataset `json:"dataset"`
}

type wireDataset struct {
	Name       string `json:"name"`
	Digest     string `json:"digest"`
	SourceType string `json:"source_type"`
	Source     string `json:"source"`
}

type wireAlias struct {
	Alias   string  `json:"alias"`
	Version integer `json:"version"`
}

type wireModel struct {
	Name    string        `json:"name"`
	Created integer       `json:"creation_timestamp"`
	Latest  []wireVersion `json:"latest_versions"` // the highest of each stage
	Aliases []wireAlias   `json:"aliases"`
	Tags    []pair        `json:"tags"`
}

type wireVersion struct {
	Name    string   `json:"name"`
	Version integer  `json:"version"`
	Created integer  `json:"creation_timestamp"`
	Stage   string   `json:"current_stage"`
	Source  string   `json:"source"`
	RunID   string   `json:"run_id"`
	Status  string   `json:"status"`
	Message string   `json:"status_message"`
	Tags    []pair   `json:"tags"`
	Aliases []string `json:"aliases"`
}

type wireLoggedModel struct {
	Info struct {
		ID          string `json:"model_id"`
		Name        string `json:"name"`
		ArtifactURI string `json:"artifact_uri"`
		Status      string `json:"status"`
		RunID       string `json:"source_run_id"`
		Tags        []pair `json:"tags"`
	} `json:"info"`
}

const (
	modelReady  = "LOGGED_MODEL_READY"
	modelFailed = "LOGGED_MODEL_UPLOAD_FAILED"
)

func pairsOf(m map[string]string) []pair {
	var list []pair
	for _, key := range sortedKeys(m) {
		list = append(list, pair{key, m[key]})
	}
	return list
}

func mapOf(list []pair) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		m[p.Key] = p.Value
	}
	return m
}

func (m wireMetric) point() registry.Metric {
	return registry.Metric{Value: float64(m.Value), Step: int64(m.Step), Time: fromMillis(m.Timestamp)}
}

func fromMillis(ms integer) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
