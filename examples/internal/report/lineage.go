package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// LineageForm is in every lineage; another number means another schema.
const LineageForm = "docent-lineage/1"

// LineageFile tells machines what the report tells people. It lies with the run in the registry, too.
const LineageFile = "report.json"

// Lineage is where a model comes from: what an auditor asks and what makes the run again. docs/lineage.schema.json is its
// schema. Digests are SHA-256 in hexadecimal.
type Lineage struct {
	Form       string            `json:"form"` // LineageForm
	Model      ModelOrigin       `json:"model"`
	Run        RunOrigin         `json:"run"`
	Base       BaseOrigin        `json:"base"`
	Documents  []Document        `json:"documents"`
	Inputs     map[string]string `json:"inputs"` // digests of all files that rows were made of, by path
	Questions  QuestionOrigin    `json:"questions"`
	Chunks     ChunkOrigin       `json:"chunks"`
	Rows       []RowsOrigin      `json:"rows"`
	Settings   []SettingOrigin   `json:"settings"`
	Program    ProgramOrigin     `json:"program"`
	Training   TrainingResult    `json:"training"`
	Evaluation []PartResult      `json:"evaluation"`
	Answers    []AnswerResult    `json:"answers"`
}

// ModelOrigin is the version that was made.
type ModelOrigin struct {
	Name        string            `json:"name"`
	Version     int               `json:"version"`
	Stage       string            `json:"stage"`
	Fingerprint string            `json:"system_fingerprint"` // of its answers, with the trainer's backend and precision; "" = it was not asked
	Files       map[string]string `json:"files"`              // digests by path, as they were registered
	Gate        string            `json:"gate"`               // what the gate said
	Promoted    bool              `json:"promoted"`
	PromotedBy  string            `json:"promoted_by"`
}

// RunOrigin is the run in the registry.
type RunOrigin struct {
	ID          string    `json:"id"`
	Experiment  string    `json:"experiment"`
	Registry    string    `json:"registry"`
	By          string    `json:"by"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Checkpoints []string  `json:"checkpoints"` // that were left at its end
}

// BaseOrigin is the model that was tuned.
type BaseOrigin struct {
	Ref          string `json:"ref"`
	Commit       string `json:"commit"` // on the Hub; "" = it is from elsewhere
	Digest       string `json:"sha256"` // of all weights as float32
	Licence      string `json:"licence"`
	Architecture string `json:"architecture"`
	Parameters   int    `json:"parameters"`
}

// QuestionOrigin is how the questions came about.
type QuestionOrigin struct {
	Source  string         `json:"source"` // a file, "rules" or "none"
	Model   string         `json:"model"`  // that wrote questions or wordings; "" = none
	Facts   int            `json:"facts"`
	ByRule  bool           `json:"held_back_by_rule"` // the wordings that measure were made as those that teach
	Dropped map[string]int `json:"dropped,omitempty"` // questions that were made and not believed, by reason
	Prompts string         `json:"general_prompts_sha256"`
}

// ChunkOrigin is how documents were cut.
type ChunkOrigin struct {
	Size    int    `json:"size"`
	Overlap int    `json:"overlap"`
	Unit    string `json:"unit"`
	Digest  string `json:"sha256"` // of chunks.jsonl
}

// RowsOrigin is one side of the split.
type RowsOrigin struct {
	File   string `json:"file"`
	Use    string `json:"use"` // "training" or "evaluation"
	Rows   int    `json:"rows"`
	Digest string `json:"sha256"`
}

// SettingOrigin is a setting and the layer that it came from.
type SettingOrigin struct {
	Key    string `json:"key"`
	Value  string `json:"value"` // secrets are masked
	Origin string `json:"origin"`
}

// ProgramOrigin is what computed.
type ProgramOrigin struct {
	Version   string `json:"version"` // of docent, with Go's and the platform
	Command   string `json:"command"`
	Machine   string `json:"machine"`
	Backend   string `json:"backend"`
	Precision string `json:"precision"`
	Seed      uint64 `json:"seed"`
}

// TrainingResult is what the losses came to; every step's is in the registry.
type TrainingResult struct {
	Steps     int     `json:"steps"`
	Loss      float64 `json:"loss"` // mean of the last steps
	EvalFirst float64 `json:"eval_loss_before"`
	EvalLast  float64 `json:"eval_loss_after"`
}

// PartResult is a part of the evaluation.
type PartResult struct {
	Part   string `json:"part"`
	Before Share  `json:"before"`
	After  Share  `json:"after"`
}

// AnswerResult is one question to the tuned model.
type AnswerResult struct {
	Part     string `json:"part"`
	Document string `json:"document"`
	Question string `json:"question"`
	Reply    string `json:"reply"`
	Right    bool   `json:"right"`
}

// WriteLineage writes the file, which appears or is replaced whole.
func WriteLineage(name string, l Lineage) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err == nil {
		err = atomicfile.Write(name, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Origins are the facts of a lineage that the page's other parts do not show.
func (l *Lineage) Origins() []Pair {
	pairs := []Pair{
		{"run", l.Run.ID + " by " + l.Run.By}, {"base model", l.Base.Ref}, {"its commit", l.Base.Commit}, {"its licence", l.Base.Licence},
		{"its weights, SHA-256", l.Base.Digest}, {"system_fingerprint", l.Model.Fingerprint}, {"promoted by", l.Model.PromotedBy},
		{"questions from", l.Questions.Source}, {"worded by", l.Questions.Model}, {"passages, SHA-256", l.Chunks.Digest},
	}
	for _, reason := range slices.Sorted(maps.Keys(l.Questions.Dropped)) {
		pairs = append(pairs, Pair{"questions dropped: " + reason, strconv.Itoa(l.Questions.Dropped[reason])})
	}
	for _, r := range l.Rows {
		pairs = append(pairs, Pair{fmt.Sprintf("%d rows for %s, SHA-256", r.Rows, r.Use), r.Digest})
	}
	out := pairs[:0]
	for _, p := range append(pairs, Pair{"docent", l.Program.Version}, Pair{"command", l.Program.Command}) {
		if p.Value != "" {
			out = append(out, p)
		}
	}
	return out
}
