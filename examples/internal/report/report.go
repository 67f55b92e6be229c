// Package report writes the page that tells how a training run went: one HTML file without scripts and without anything
// to fetch, readable in light and dark.
//
//	err := report.WriteFile("data/report.html", report.Report{Title: "course-guide", …})
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/docent-ml/docent/examples/internal/progress"
	"github.com/docent-ml/docent/internal/atomicfile"
)

// Report is what the page shows. Parts that are empty are left out.
type Report struct {
	Title   string // name of the model
	Lead    string // what was made of what, in one sentence
	Started time.Time
	Elapsed time.Duration
	Version string // "course-guide version 3, Production"; "" = not registered

	Verdict   string // what the model is good for, in a sentence
	Gate      string // what the gate said
	Headline  []Number
	Steps     []Step
	Evals     []Eval
	Accuracy  []Accuracy
	Samples   []Sample
	Unlearned []Pair // questions with what was said instead
	Forgotten []Pair // general prompts with what is said now
	Documents []Document
	Rows      []Pair // what the model was trained on
	Stages    []Stage
	Settings  []Pair
	Machine   []Pair
	Next      []Command

	Lineage *Lineage // nil is left out
}

// Number is one of the few that matter most.
type Number struct{ Value, Label, Note string }

// Step is one optimizer step.
type Step struct {
	N            int
	Loss         float64 // mean over the trained tokens
	LearningRate float64
}

// Eval is the loss on rows held back, after a step; step 0 is before training.
type Eval struct {
	Step             int
	Loss, Perplexity float64
}

// Accuracy is the share of questions answered rightly, asked in one way.
type Accuracy struct {
	Way    string
	Note   string
	Before Share // of a sample, to save time
	After  Share

	Production string // what the version in Production reached when it was trained; may be empty
	Interval   string // of After: what other questions of the kind might have given
}

// Share is a count of a number of questions.
type Share struct {
	Right int `json:"right"`
	Asked int `json:"asked"`
}

// Percent is "97 %", or a dash when nothing was asked.
func (s Share) Percent() string {
	if s.Asked == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(s.Right)/float64(s.Asked))
}

// Sample is one question with both models' answers.
type Sample struct {
	Way, Question, Expected string
	Base, Tuned             string
	BaseRight, TunedRight   bool
	Source, Passage         string
}

// Document is a file that was read, or could not be.
type Document struct {
	Path     string `json:"path"`
	Digest   string `json:"sha256"`
	Outcome  string `json:"outcome"`
	Pages    int    `json:"pages"`
	Passages int    `json:"passages"`
	Rows     int    `json:"rows"`
	Note     string `json:"note"`
}

// Good says that all of it was read.
func (d Document) Good() bool { return d.Outcome == "ok" }

// Pair is a name with its value.
type Pair struct{ Name, Value string }

// Stage is a part of the run.
type Stage struct {
	Name    string
	Elapsed time.Duration
	Note    string
}

// Command is something to type next.
type Command struct{ Text, Why string }

//go:embed report.html.tmpl
var page string

// Write writes the page.
func Write(w io.Writer, r Report) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"duration": progress.Duration, "number": Count, "date": func(t time.Time) string { return t.Format("2 January 2006, 15:04") },
		"width": func(d time.Duration) template.CSS { return barWidth(d, r.Stages) },
		"share": func(s Share) template.CSS {
			return template.CSS(fmt.Sprintf("width:%.1f%%", 100*float64(s.Right)/float64(max(1, s.Asked))))
		},
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	data := struct {
		Report
		Loss, Rate *chart
	}{Report: r, Loss: lossChart(r.Steps, r.Evals), Rate: rateChart(r.Steps)}
	if err := t.Execute(w, data); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// WriteFile writes the page to a file, which appears or is replaced whole.
func WriteFile(name string, r Report) error {
	f, err := atomicfile.Create(name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	defer f.Close()
	if err := Write(f, r); err != nil {
		return err
	}
	return f.Commit()
}

// barWidth compares a stage with the longest.
func barWidth(d time.Duration, stages []Stage) template.CSS {
	var longest time.Duration
	for _, s := range stages {
		longest = max(longest, s.Elapsed)
	}
	return template.CSS(fmt.Sprintf("width:%.1f%%", 100*float64(d)/float64(max(1, longest))))
}

// Count writes a whole number with thousands set apart: 162,168.
func Count(n int) string { return message.NewPrinter(language.English).Sprint(n) }
