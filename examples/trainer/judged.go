package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/lora/evaluate"
	"github.com/docent-ml/docent/registry/gate"
)

// notes say what each part of the evaluation is a measure of.
var notes = map[evaluate.Part]string{
	evaluate.AsWritten:       "as in the facts file, without the passage: learned by heart",
	evaluate.Reworded:        "in words that were not trained on, without the passage: known",
	evaluate.WithPassage:     "as written, with the passage as the system message",
	evaluate.RewordedPassage: "in other words, with the passage: read",
	evaluate.Swapped:         "with a passage in which the value was replaced: read, not recited",
	evaluate.Unanswerable:    "what the documents do not answer; right is to say so",
	evaluate.General:         "everyday requests, of those that the base model gets right: not forgotten",
}

func nameOf(p evaluate.Part) string { return strings.ReplaceAll(string(p), "_", " ") }

// accuracy is the table of the report; empty without questions.
func accuracy(before, after *evaluate.Result, byRule bool, production map[string]float64) []report.Accuracy {
	var out []report.Accuracy
	kept := after.Against(before)
	for _, s := range after.Shares() {
		old := before.Share(s.Part)
		if s.Part == evaluate.General {
			s = kept.Share(s.Part)
			old = evaluate.Share{Right: s.Of, Of: s.Of}
		}
		note := notes[s.Part]
		if byRule && (s.Part == evaluate.Reworded || s.Part == evaluate.RewordedPassage) {
			note += "; made by the rules that made those trained on, and people word more freely: put reworded.jsonl beside the facts"
		}
		served := ""
		if v, ok := production[gate.Prefix+string(s.Part)]; ok {
			served = fmt.Sprintf("%.0f %%", 100*v)
		}
		out = append(out, report.Accuracy{
			Way: nameOf(s.Part), Note: note, Before: report.Share{Right: old.Right, Asked: old.Of}, After: report.Share{Right: s.Right, Asked: s.Of},
			Production: served,
			Interval:   fmt.Sprintf("%.0f to %.0f %%", 100*s.Low, 100*s.High),
		})
	}
	return out
}

// question tells what was asked, by which answers of several models go together.
type question struct {
	part    evaluate.Part
	fact    int
	message string
}

func questionOf(a evaluate.Answer) question { return question{a.Part, a.Fact, a.Question()} }

func asked(r *evaluate.Result) map[question]evaluate.Answer {
	answers := map[question]evaluate.Answer{}
	for _, a := range r.Answers {
		answers[questionOf(a)] = a
	}
	return answers
}

// tableFile has all questions with what was answered, in the form of MLflow's tables (as pandas splits a frame).
const tableFile = "evaluation.json"

func (p *pipeline) answerTable() ([]byte, error) {
	base, rows := asked(p.before), [][]any{}
	for _, a := range p.after.Answers {
		rows = append(rows, []any{nameOf(a.Part), a.Source, a.Question(), expected(a.Case), base[questionOf(a)].Reply, a.Reply, a.OK})
	}
	return json.Marshal(map[string]any{"columns": []string{"part", "document", "question", "expected", "before", "after", "right"}, "data": rows})
}

// samples puts the answers to the same questions side by side, right and wrong ones of each part.
func samples(before, after *evaluate.Result) []report.Sample {
	base := asked(before)
	var out []report.Sample
	shown := map[string]int{}
	for _, a := range after.Answers {
		b, ok := base[questionOf(a)]
		group := fmt.Sprint(a.Part, a.OK)
		if !ok || shown[group] == samplesOfEachWay {
			continue
		}
		shown[group]++
		s := report.Sample{
			Way: nameOf(a.Part), Question: a.Question(), Expected: expected(a.Case), Source: a.Source,
			Base: b.Reply, BaseRight: b.OK, Tuned: a.Reply, TunedRight: a.OK,
		}
		if len(a.Messages) > 1 {
			s.Passage = a.Messages[0].Content
		}
		out = append(out, s)
	}
	return out
}

func expected(c evaluate.Case) string {
	switch {
	case c.Part == evaluate.Unanswerable:
		return "that the documents do not say"
	case c.Part == evaluate.General:
		return "an answer that passes its check"
	}
	return c.Right[0]
}

// unlearned is the table of the facts that did not stick: what was asked without the passage and answered wrongly.
func unlearned(after *evaluate.Result) (out []report.Pair) {
	for _, a := range after.Answers {
		if !a.OK && (a.Part == evaluate.AsWritten || a.Part == evaluate.Reworded) {
			out = append(out, report.Pair{Name: fmt.Sprintf("%s (%s)", a.Question(), nameOf(a.Part)), Value: fmt.Sprintf("%s, instead of %s", a.Reply, expected(a.Case))})
		}
	}
	return out
}

// forgotten are the general prompts that the base model answers and the tuned one does not any more.
func forgotten(before, after *evaluate.Result) (out []report.Pair) {
	for _, a := range after.Against(before).Answers {
		if a.Part == evaluate.General && !a.OK {
			out = append(out, report.Pair{Name: a.Question(), Value: a.Reply})
		}
	}
	return out
}

// verdict says in a sentence or two what the model is good for.
func verdict(before, after *evaluate.Result, byRule bool) string {
	if len(after.Answers) == 0 {
		return ""
	}
	kept := after.Against(before)
	words := func(p evaluate.Part, r *evaluate.Result) string {
		return fmt.Sprintf("%.0f %%", 100*r.Share(p).Value())
	}
	text := fmt.Sprintf("It knows %s of the facts when it is asked as they are written", words(evaluate.AsWritten, after))
	if after.Share(evaluate.Reworded).Of > 0 {
		text += fmt.Sprintf(" and %s when it is asked in other words", words(evaluate.Reworded, after))
		if byRule {
			text += " that rules made (of those that people choose it may be a third)"
		}
	}
	if after.Share(evaluate.Unanswerable).Of > 0 {
		text += fmt.Sprintf("; it admits %s of what it cannot know", words(evaluate.Unanswerable, after))
	}
	if kept.Share(evaluate.General).Of > 0 {
		text += fmt.Sprintf("; it still answers %s of the everyday requests that the base model answers", words(evaluate.General, kept))
	}
	if after.Share(evaluate.Swapped).Of > 0 {
		text += fmt.Sprintf("; given a passage that says something else, it follows the passage %s of the time", words(evaluate.Swapped, after))
	}
	return text + "."
}
