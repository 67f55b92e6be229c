package engine

import (
	"slices"

	"github.com/docent-ml/docent/internal/lm/infer"
)

// Drafts. An answer that quotes its prompt is foreseeable: what followed the latest tokens before may follow them again. Those tokens
// are computed together with the last one, and the sampler goes through the rows as if they had come one by one, as long as it
// chooses what was foreseen. So every token comes from the distribution behind those before it, and by the same random numbers:
// texts are the same as without. A processor that waits for memory computes a few rows in little more time than one.

const (
	longestDraft = 8
	tail         = 3  // tokens that must have been there before
	pause        = 24 // tokens, after drafts that were all wrong
)

// drafter foresees the tokens of one choice, more of them while they come true.
type drafter struct {
	size int // of the next draft; 0 = pausing
	idle int // tokens since the pause began
}

// draft is what followed the latest tokens of history when they were there last, at most so many.
func (d *drafter) draft(history []int, most int) (ids []int32) {
	if d.size == 0 {
		if d.idle++; d.idle < pause {
			return nil
		}
		d.size, d.idle = 2, 0
	}
	end := len(history) - tail
	for i := end - 1; i >= 0; i-- {
		if slices.Equal(history[i:i+tail], history[end:]) {
			for _, id := range history[i+tail : min(i+tail+min(d.size, most), len(history))] {
				ids = append(ids, int32(id))
			}
			return ids
		}
	}
	return nil
}

// learn adapts the size of the next draft to how much of the last one came true.
func (d *drafter) learn(drafted, right int) {
	switch {
	case right == drafted:
		d.size = min(2*d.size, longestDraft)
	case 2*right < drafted:
		d.size /= 2
	}
}

// leap is a step of a sequence that is alone, by a draft. It tells whether there was one.
func (l *loop) leap() bool {
	slots, ok := l.b.slots.(infer.Extender)
	if !ok || l.b.noDrafts || len(l.active) != 1 {
		return false
	}
	s := l.active[0]
	draft := s.drafter.draft(s.sampler.history, s.job.start.MaxTokens-s.count-1)
	if len(draft) == 0 {
		return false
	}
	right, err := l.follow(s, slots, draft)
	if err != nil {
		l.fail(s.job, err)
		return true
	}
	s.drafter.learn(len(draft), right)
	return true
}

// follow samples s as long as the draft is right, and tells how far that is.
func (l *loop) follow(s *sequence, slots infer.Extender, draft []int32) (right int, err error) {
	defer l.b.rescue(&err)
	rows, err := slots.Extend(s.slot, append([]int32{s.last}, draft...))
	if err != nil {
		return 0, err
	}
	s.drafted += len(draft)
	for i, row := range rows {
		if i > 0 {
			s.kept++
		}
		if err := l.sample(s, row); err != nil {
			return right, err
		}
		if len(l.active) == 0 { // that was its last
			return right, nil
		}
		if i == len(draft) || s.last != draft[i] {
			break
		}
		right++
	}
	slots.Retract(s.slot, len(draft)-right)
	return right, nil
}
