package evaluate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Result is what a model answered, in the order of the cases.
type Result struct{ Answers []Answer }

// Share is the part of the answers of a Part that are right, with an interval in which it would fall nineteen times of twenty
// if other questions of the kind were asked.
type Share struct {
	Part       Part
	Right, Of  int
	Low, High  float64
	NotKnowing int // replies that say they do not know
}

// Value is Right/Of, 0 of none.
func (s Share) Value() float64 { return float64(s.Right) / float64(max(1, s.Of)) }

func (s Share) String() string {
	return fmt.Sprintf("%s %d of %d (%.0f %%, %.0f to %.0f)", strings.ReplaceAll(string(s.Part), "_", " "), s.Right, s.Of, 100*s.Value(), 100*s.Low, 100*s.High)
}

// Share of a part; zero where nothing was asked.
func (r *Result) Share(p Part) Share {
	s := Share{Part: p}
	var marks []bool
	for _, a := range r.Answers {
		if a.Part != p {
			continue
		}
		marks = append(marks, a.OK)
		if a.OK {
			s.Right++
		}
		if !a.Knows {
			s.NotKnowing++
		}
	}
	s.Of = len(marks)
	s.Low, s.High = bootstrap(marks)
	return s
}

// Shares are those of all parts that were asked.
func (r *Result) Shares() (out []Share) {
	for _, p := range Parts() {
		if s := r.Share(p); s.Of > 0 {
			out = append(out, s)
		}
	}
	return out
}

// Metrics are the shares by "eval/" and the name of the part, as a registry keeps them.
func (r *Result) Metrics() map[string]float64 {
	m := map[string]float64{}
	for _, s := range r.Shares() {
		m["eval/"+string(s.Part)] = s.Value()
	}
	return m
}

// Against keeps the general prompts that a base model answered right: how many of these the model still does is what it has not
// forgotten. It also drops facts that the base answered when asked as they are written, which are no measure of learning.
func (r *Result) Against(base *Result) *Result {
	right := map[string]bool{}
	for _, a := range base.Answers {
		if a.OK {
			right[key(a.Case)] = true
		}
	}
	knew := map[int]bool{}
	for _, a := range base.Answers {
		if a.OK && a.Part == AsWritten {
			knew[a.Fact] = true
		}
	}
	out := &Result{}
	for _, a := range r.Answers {
		if a.Part == General && !right[key(a.Case)] || (a.Part == AsWritten || a.Part == Reworded) && knew[a.Fact] {
			continue
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}

// bootstrap is the middle 95 % of the shares of a thousand samples with replacement; always the same ones.
func bootstrap(marks []bool) (low, high float64) {
	if len(marks) == 0 {
		return 0, 0
	}
	random := rand.New(rand.NewPCG(1, uint64(len(marks))))
	shares := make([]float64, 1000)
	for i := range shares {
		n := 0
		for range marks {
			if marks[random.IntN(len(marks))] {
				n++
			}
		}
		shares[i] = float64(n) / float64(len(marks))
	}
	slices.Sort(shares)
	return shares[25], shares[974]
}
