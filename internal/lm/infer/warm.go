package infer

// Warm implements Slots: it computes some prompts and answers of up to smallestPast tokens together, alone and with
// others, by computing some. Nothing may be taken.
func (s *Graphs) Warm() error {
	defer s.reset()
	remember := s.prefixes.limit
	s.prefixes.limit = -1 // nothing of this
	defer func() { s.prefixes.limit = remember }()

	var prompts []Prompt
	for _, n := range []int{1, min(smallPiece+1, s.context)} { // a piece of each width
		p, err := s.NewPrompt(make([]int32, n), nil)
		if err != nil {
			return err
		}
		defer p.Close()
		if _, err := p.Prefill(); err != nil {
			return err
		}
		prompts = append(prompts, p)
	}
	next := map[int]int32{}
	for slot := range min(s.max, 2) { // the second one makes the batch of all
		if _, err := s.Admit(prompts[slot], slot > 0); err != nil {
			return err
		}
		next[slot] = 0
		if _, err := s.Step(next); err != nil {
			return err
		}
		if s.choose {
			if err := s.sampler.Warm(s.rows.logits); err != nil {
				return err
			}
		}
	}
	return s.flush()
}
