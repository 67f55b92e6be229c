// Package gate decides whether a version of a model is good enough to be promoted, by rules over the metrics that its evaluation
// left in the registry:
//
//	rules, err := gate.Parse([]string{"reworded >= production - 1 point", "general >= 0.9 base", "unanswerable >= 0.6"})
//	verdict := gate.Check(rules, gate.Metrics{Candidate: run.Metrics, Production: served.Metrics})
//	if !verdict.Passed() {
//		return errors.New(verdict.String())
//	}
//
// A rule is a metric, one of >= > <= <, and a bound: a number, the metric of the base model or of the version in Production, or
// so much of that, with something added or taken away. Percents and points are hundredths, times are written as in Go ("800ms").
package gate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The prefixes of metrics: of the version itself, and of the base model asked the same.
const (
	Prefix     = "eval/"
	BasePrefix = "eval_base/"
)

// Rule is one condition. String is what was parsed.
type Rule struct {
	Metric string // without its prefix
	op     string
	factor float64
	of     string // "base", "production", or "" for a number
	plus   float64
	text   string
}

func (r Rule) String() string { return r.text }

// ErrRule is wrapped by the errors of Parse.
var ErrRule = errors.New("bad rule")

var (
	amount  = `(\d+(?:\.\d+)?(?:ns|us|ms|s|m)?)\s*(%|percent|points?)?`
	pattern = regexp.MustCompile(`^([a-z][a-z0-9_/ ]*?)\s*(>=|>|<=|<)\s*(?:` + amount + `)?\s*(base|production)?\s*(?:([+-])\s*` + amount + `)?$`)
)

// Parse reads rules; the errors of all bad ones are joined.
func Parse(rules []string) ([]Rule, error) {
	var out []Rule
	var faults []error
	for _, text := range rules {
		r, err := parse(strings.TrimSpace(text))
		if err != nil {
			faults = append(faults, fmt.Errorf("gate: %w %q: %w", ErrRule, text, err))
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(faults...)
}

func parse(text string) (Rule, error) {
	m := pattern.FindStringSubmatch(strings.ToLower(text))
	if m == nil || m[3] == "" && m[5] == "" {
		return Rule{}, errors.New(`write it as "reworded >= 0.5", "general >= 0.9 base" or "reworded >= production - 1 point"`)
	}
	r := Rule{Metric: strings.ReplaceAll(m[1], " ", "_"), op: m[2], factor: 1, of: m[5], text: text}
	var err error
	if m[3] != "" {
		if r.factor, err = number(m[3], m[4]); err != nil {
			return r, err
		}
	}
	if m[6] != "" {
		if r.plus, err = number(m[7], m[8]); err != nil {
			return r, err
		}
		if m[6] == "-" {
			r.plus = -r.plus
		}
	}
	return r, nil
}

func number(text, unit string) (float64, error) {
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return d.Seconds(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if unit != "" {
		v /= 100
	}
	return v, err
}

// Metrics are what the rules look at. Keys are those of the registry, with Prefix or, for the base, BasePrefix.
type Metrics struct {
	Candidate  map[string]float64 // of the version, and of the base beside it
	Production map[string]float64 // of the version that serves now; nil = none does
}

// Verdict is what became of each rule.
type Verdict struct{ Findings []Finding }

// Finding is what a rule found. Left and Right are the metric and its bound.
type Finding struct {
	Rule        Rule
	Left, Right float64
	Passed      bool
	Note        string // why nothing could be compared
}

// Check holds the rules against the metrics. A rule that compares with Production passes where nothing serves yet or the version
// that does was not measured so; any other whose metric the candidate lacks fails.
func Check(rules []Rule, m Metrics) Verdict {
	var v Verdict
	for _, r := range rules {
		v.Findings = append(v.Findings, r.check(m))
	}
	return v
}

func (r Rule) check(m Metrics) Finding {
	f := Finding{Rule: r}
	f.Right = r.factor
	if r.of == "production" {
		served, ok := m.Production[Prefix+r.Metric]
		if !ok {
			f.Passed, f.Note = true, "no version in Production was measured so"
			return f
		}
		f.Right *= served
	}
	var ok bool
	if f.Left, ok = m.Candidate[Prefix+r.Metric]; !ok {
		f.Note = "it was not measured"
		return f
	}
	if r.of == "base" {
		base, ok := m.Candidate[BasePrefix+r.Metric]
		if !ok {
			f.Note = "the base model was not measured"
			return f
		}
		f.Right *= base
	}
	f.Right += r.plus
	const rounding = 1e-9
	switch r.op {
	case ">=":
		f.Passed = f.Left >= f.Right-rounding
	case ">":
		f.Passed = f.Left > f.Right
	case "<=":
		f.Passed = f.Left <= f.Right+rounding
	case "<":
		f.Passed = f.Left < f.Right
	}
	return f
}

// Passed tells whether all rules did.
func (v Verdict) Passed() bool {
	for _, f := range v.Findings {
		if !f.Passed {
			return false
		}
	}
	return true
}

// String is a sentence for people: the rules that failed, or that all passed.
func (v Verdict) String() string {
	var failed []string
	for _, f := range v.Findings {
		if !f.Passed {
			failed = append(failed, f.String())
		}
	}
	switch {
	case len(v.Findings) == 0:
		return "no rules"
	case len(failed) == 0:
		return fmt.Sprintf("passed %d rules", len(v.Findings))
	}
	return "failed: " + strings.Join(failed, "; ")
}

// String is the rule with what was found.
func (f Finding) String() string {
	if f.Note != "" {
		return fmt.Sprintf("%s (%s)", f.Rule, f.Note)
	}
	return fmt.Sprintf("%s (%.3g against %.3g)", f.Rule, f.Left, f.Right)
}
