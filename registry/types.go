package registry

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Status is the state of a run.
type Status string

// The states of a run.
const (
	Running  Status = "RUNNING"
	Finished Status = "FINISHED"
	Failed   Status = "FAILED"
	Killed   Status = "KILLED"
)

// Readiness is the state of a version.
type Readiness string

// The states of a version. Only a Ready one can be promoted or downloaded.
const (
	Pending            Readiness = "PENDING"
	Ready              Readiness = "READY"
	FailedRegistration Readiness = "FAILED"
)

// Stage is the place of a version in its life.
type Stage string

// The stages. A new version is in None.
const (
	None       Stage = "None"
	Staging    Stage = "Staging"
	Production Stage = "Production"
	Archived   Stage = "Archived"
)

// ParseStage reads a stage in any case.
func ParseStage(s string) (Stage, error) {
	for _, stage := range []Stage{None, Staging, Production, Archived} {
		if strings.EqualFold(s, string(stage)) {
			return stage, nil
		}
	}
	return "", &Error{Name: s, Err: fmt.Errorf("%w: not a stage", ErrInvalid),
		Hint: "use None, Staging, Production or Archived"}
}

// Source names what a version is made from: a directory of a run's artifacts with all below it, one file, or
// everything (""); or a model that LogModel made.
type Source struct {
	RunID   string
	Path    string
	ModelID string // of a logged model, where the registry has such
}

// RunInfo is what is known of a run.
type RunInfo struct {
	ID         string
	Experiment string
	Name       string
	Status     Status
	Started    time.Time
	Ended      time.Time // zero while running
	Params     map[string]string
	Tags       map[string]string
	Metrics    map[string]Metric // the point of the highest step, and of those the last
	Inputs     []Input
}

// Metric is one point of a metric's history.
type Metric struct {
	Value float64
	Step  int64
	Time  time.Time // when it was logged, to the millisecond at least
}

// Input describes a data set that a run reads.
type Input struct {
	Name    string // required
	Digest  string // of the contents, such as a SHA-256
	Source  string // where it came from: a path or URL
	Context string // what for: "training", "evaluation"
}

// Model is a registered model.
type Model struct {
	Name       string
	Created    time.Time
	Latest     int // highest version number
	Production int // number of the version that models:/name/Production means; 0 when there is none
}

// Version is one version of a registered model.
type Version struct {
	Name    string
	Number  int
	RunID   string
	Path    string // of its files among the artifacts of the run, or of the logged model
	ModelID string // of the logged model it was made from; "" where the registry has no such
	Stage   Stage
	Aliases []string // sorted
	Status  Readiness
	Message string // why, when Status is FailedRegistration
	Tags    map[string]string
	Created time.Time
}

// File is one file of a version.
type File struct {
	Path   string `json:"path"`   // slash-separated, relative
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // "" where the registry has none, for files that others put there
}

// PromoteOptions says where to, and what the history remembers of it. The zero value means Production, with its
// previous holders archived.
type PromoteOptions struct {
	Stage        Stage // "" is Production
	KeepPrevious bool  // leave the other holders of the stage where they are

	By      string // who promotes
	Why     string // the reason, in words
	Verdict string // of the gate that the version passed; "" is none
}

// Validate refuses what no history can keep.
func (o PromoteOptions) Validate() error {
	for field, text := range map[string]string{"By": o.By, "Why": o.Why, "Verdict": o.Verdict} {
		if !utf8.ValidString(text) || len(text) > maxRemark {
			return &Error{Err: fmt.Errorf("%w: %s of a promotion", ErrInvalid, field), Hint: fmt.Sprintf("use UTF-8 text of up to %d bytes", maxRemark)}
		}
	}
	return nil
}

const maxRemark = 2000 // bytes, since MLflow keeps all of a promotion in one tag
