package main

import (
	"github.com/docent-ml/docent/examples/internal/report"
)

// shareOf counts the right answers to the questions asked in one way.
func shareOf(asked []asking, way string) report.Share { return shareOfAnswers(asWritten(asked), way) }

func shareOfAnswers(answers []answer, way string) report.Share {
	var s report.Share
	for _, a := range answers {
		if a.Way == way {
			s.Asked++
			if a.Right {
				s.Right++
			}
		}
	}
	return s
}

// accuracy is the table of the report; empty without questions.
func accuracy(before, after []answer) []report.Accuracy {
	var out []report.Accuracy
	for _, w := range ways() {
		a := report.Accuracy{Way: w.Name, Note: w.Note, Before: shareOfAnswers(before, w.Name), After: shareOfAnswers(after, w.Name)}
		if a.After.Asked > 0 {
			out = append(out, a)
		}
	}
	return out
}

// samples puts the answers to the same questions side by side.
func samples(before, after []answer) []report.Sample {
	type key struct {
		way string
		nth int
	}
	tuned := map[key]answer{}
	for _, a := range after {
		tuned[key{a.Way, a.Nth}] = a
	}
	var out []report.Sample
	shown := map[string]int{}
	for _, b := range before {
		a, ok := tuned[key{b.Way, b.Nth}]
		if !ok || shown[b.Way] == samplesOfEachWay {
			continue
		}
		shown[b.Way]++
		out = append(out, report.Sample{
			Way: "asked " + b.Way, Question: b.Asked, Expected: b.Expected, Source: b.Source, Passage: b.Passage,
			Base: b.Reply, BaseRight: b.Right, Tuned: a.Reply, TunedRight: a.Right,
		})
	}
	return out
}
