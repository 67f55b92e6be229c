package engine

import (
	"slices"

	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/sample"
)

// remote tells whether a device may choose the tokens. It depends on the request alone, so that a seed gives the same
// answer in any company. Log probabilities are computed here: they need the whole row, in float64, and few ask for them.
func (s *sampler) remote() bool { return !s.logprobs }

// plan tells a device how to choose the next token, in place of next. It is valid until the following one.
func (s *sampler) plan() *sample.Choice {
	if s.device == nil {
		s.device = s.newPlan()
	}
	c := s.device
	if s.p.Temperature > 0 {
		c.Key = s.rng.Uint64()
	}
	if e := c.Edits; e != nil {
		e.Banned = slices.AppendSeq(e.Banned[:0], s.banned)
		if s.state != nil {
			s.state.Mask(e.Allowed)
		}
	}
	return c
}

func (s *sampler) newPlan() *sample.Choice {
	c := &sample.Choice{Temperature: s.p.Temperature, TopK: s.p.TopK, TopP: s.p.TopP, MinP: s.p.MinP}
	if !s.shapes() && s.state == nil {
		return c
	}
	c.Edits = &sample.Edits{
		RepetitionPenalty: s.p.RepetitionPenalty, PresencePenalty: s.p.PresencePenalty, FrequencyPenalty: s.p.FrequencyPenalty,
		Bias: s.p.LogitBias,
	}
	if s.index != nil {
		c.Edits.History = func(yield func(id, inAnswer int) bool) {
			for _, t := range s.counts {
				if !yield(t.id, t.inAnswer) {
					return
				}
			}
		}
	}
	if s.state != nil {
		c.Edits.Allowed = make([]uint64, s.words)
	}
	return c
}

// chosen takes what a device has chosen.
func (s *sampler) chosen(id int32) (token, error) {
	switch id {
	case sample.NonFinite:
		return token{}, errNonFinite
	case sample.NoToken:
		return token{}, errNoToken
	}
	return token{id: int(id)}, s.accept(int(id))
}

// choose has the device choose the tokens that it may, by slot.
func (l *loop) choose(rows infer.Rows) (map[int]int32, error) {
	c, ok := rows.(infer.Chooser)
	if !ok {
		return nil, nil
	}
	choices := map[*sequence]*sample.Choice{}
	for _, s := range slices.Clone(l.active) {
		if !s.sampler.remote() {
			continue
		}
		var err error
		if choices[s], err = l.plan(s); err != nil {
			l.fail(s.job, err)
		}
	}
	by := make(map[int]*sample.Choice, len(choices))
	for _, s := range l.active { // without those that failed, whose slots are free
		if choices[s] != nil {
			by[s.slot] = choices[s]
		}
	}
	if len(by) == 0 {
		return nil, nil
	}
	return l.chooseAll(c, by)
}

func (l *loop) plan(s *sequence) (c *sample.Choice, err error) {
	defer l.b.rescue(&err)
	return s.sampler.plan(), nil
}

func (l *loop) chooseAll(c infer.Chooser, by map[int]*sample.Choice) (ids map[int]int32, err error) {
	defer l.b.rescue(&err)
	return c.Choose(by)
}
