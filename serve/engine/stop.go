package engine

// stopMatcher finds where an answer ends: at the first stop string that is complete (of several that end together, the
// one that starts first), or before a line that starts a new turn of the question/answer form. It reads the text in
// pieces of any size, with the same result, and gives out what can no longer be part of a match.
type stopMatcher struct {
	stops []stopString
	turns *turnFinder // nil: not looked for
	held  []byte      // given to feed, but not out yet
}

// newStopMatcher looks for the stops, none of which is empty; with turns also for Question: and Answer: lines.
func newStopMatcher(stops []string, turns bool) *stopMatcher {
	m := &stopMatcher{}
	for _, s := range stops {
		m.stops = append(m.stops, newStopString(s))
	}
	if turns {
		m.turns = &turnFinder{}
	}
	return m
}

// feed takes the next piece and returns the text that is certain now. After stopped, the answer has ended.
func (m *stopMatcher) feed(text string) (certain string, stopped bool) {
	if len(m.stops) == 0 && m.turns == nil {
		return text, false
	}
	before := len(m.held)
	m.held = append(m.held, text...)
	for i := before; i < len(m.held); i++ {
		if n := m.step(m.held[i]); n > 0 {
			certain = string(m.held[:i+1-n])
			m.held = m.held[:0]
			return certain, true
		}
	}
	n := len(m.held) - m.open()
	certain = string(m.held[:n])
	m.held = append(m.held[:0], m.held[n:]...)
	return certain, false
}

// rest is the text still held when the answer ended without a match.
func (m *stopMatcher) rest() string {
	s := string(m.held)
	m.held = m.held[:0]
	return s
}

// step moves by one byte and returns the length of the longest match that ends there, or 0.
func (m *stopMatcher) step(c byte) int {
	longest := 0
	for i := range m.stops {
		if s := &m.stops[i]; s.step(c) {
			longest = max(longest, len(s.text))
		}
	}
	if m.turns != nil && m.turns.step(c) {
		longest = max(longest, m.turns.length)
	}
	return longest
}

// open is how many of the last bytes may become part of a match.
func (m *stopMatcher) open() int {
	n := 0
	for i := range m.stops {
		n = max(n, m.stops[i].matched)
	}
	if m.turns != nil {
		n = max(n, m.turns.length)
	}
	return n
}

// stopString follows one string through the text (Knuth, Morris, Pratt): the work is linear however it repeats itself.
type stopString struct {
	text    string
	border  []int // border[i]: length of the longest proper prefix of text[:i+1] that is also its suffix
	matched int
}

func newStopString(text string) stopString {
	border := make([]int, len(text))
	for i, k := 1, 0; i < len(text); i++ {
		for k > 0 && text[i] != text[k] {
			k = border[k-1]
		}
		if text[i] == text[k] {
			k++
		}
		border[i] = k
	}
	return stopString{text: text, border: border}
}

func (s *stopString) step(c byte) bool {
	for s.matched > 0 && s.text[s.matched] != c {
		s.matched = s.border[s.matched-1]
	}
	if s.text[s.matched] == c {
		s.matched++
	}
	return s.matched == len(s.text)
}

// turnFinder finds white space with a line break in it, followed by "Question:" or "Answer:". The white space belongs
// to the match, so the answer ends without trailing lines.
type turnFinder struct {
	length  int    // bytes of what may be a match
	newline bool   // it has a line break
	label   string // being read, "" while in the white space
	read    int    // bytes of label
}

func (t *turnFinder) step(c byte) bool {
	if t.label != "" && c == t.label[t.read] {
		t.length++
		t.read++
		return t.read == len(t.label)
	}
	space := c == ' ' || c == '\t' || c == '\r' || c == '\n'
	if t.label == "" && t.newline && !space {
		switch c {
		case 'Q':
			t.label = "Question:"
		case 'A':
			t.label = "Answer:"
		}
		if t.label != "" {
			t.length++
			t.read = 1
			return false
		}
	}
	if t.label != "" || !space {
		*t = turnFinder{}
	}
	if space {
		t.length++
		t.newline = t.newline || c == '\n'
	}
	return false
}
