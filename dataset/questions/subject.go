package questions

import (
	"slices"
	"strings"
	"unicode"
)

// subject is how questions name what a document is about: a course, a product, an organisation.
type subject struct {
	name string
	kind string // course, product, organisation, other
}

// subjectOf finds the subject: a name or a code of the title, of the running heads or of the file's name that the text uses most.
func (l *language) subjectOf(d Document, heads []string) subject {
	text := strings.Join(d.Pages, "\n")
	file := fileWords(d.Source)
	var top []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "" {
			if top = append(top, line); len(top) == 12 {
				break
			}
		}
	}
	best, bestScore := "", 0
	words := strings.Fields(text)
	seen := map[string]bool{}
	for n, line := range slices.Concat(top, heads) {
		for _, w := range strings.Fields(line) {
			w = strings.Trim(w, ",.:;()'’\"«»“”„|·-–")
			if seen[w] || len(w) < 3 || !isUpper(w) || l.notName(w) {
				continue
			}
			seen[w] = true
			score := min(strings.Count(text, w), 8) - 4*l.asThing(words, w)
			if n < 3 { // the title
				score += 2
			}
			named := strings.ToLower(strings.ReplaceAll(w, "-", ""))
			if slices.Contains(file, named) || slices.Contains(file, strings.ToLower(w)) {
				score += 6
			}
			if code.MatchString(w) && strings.ContainsFunc(w, unicode.IsLetter) && strings.ContainsFunc(w, unicode.IsDigit) {
				score = 3*score + 6
			}
			if score > bestScore {
				best, bestScore = w, score
			}
		}
	}
	return subject{best, l.subjectKind(strings.Join(top, " "), text)}
}

// asThing counts how often a word is no name: in small letters, or behind an article and before no other name.
func (l *language) asThing(words []string, w string) int {
	n := 0
	small := strings.ToLower(w)
	for i := 1; i+1 < len(words); i++ {
		switch {
		case strings.Trim(words[i], ",.;:()") == small && small != w:
			n++
		case words[i] == w && l.is("articles", words[i-1]) && !isUpper(words[i+1]) && l.code != "el": // Greek has articles before names too
			n++
		}
	}
	return n
}

// notName tells whether a capital letter does not make a name of a word: it is one of those that titles have.
func (l *language) notName(w string) bool {
	w = strings.ToLower(w)
	for part := range l.words["document"] {
		if w == part || len(part) > 4 && strings.HasSuffix(w, part) {
			return true
		}
	}
	return l.function(w) || l.is("duration", w) || l.is("quantity", w) || l.is("money", w) || l.is("months", w) || l.is("days", w) || l.is("titles", w)
}

func (l *language) subjectKind(title, text string) string {
	best, most := "other", 0
	title, text = strings.ToLower(title), strings.ToLower(text)
	for _, hint := range l.kinds["subject"] {
		n := 0
		for _, w := range hint.words {
			n += 10*strings.Count(title, w) + strings.Count(text, w)
		}
		if n > most {
			best, most = hint.kind, n
		}
	}
	return best
}

// about is the way to name the subject behind a question, or nothing if the question names it.
func (l *language) about(s subject, question string, turn int) string {
	if s.name == "" || strings.Contains(question, s.name) {
		return ""
	}
	forms := l.subject[s.kind]
	if len(forms) == 0 {
		forms = l.subject["other"]
	}
	if len(forms) == 0 {
		return ""
	}
	text, _ := fill(forms[turn%len(forms)], map[string]string{"s": s.name})
	return " " + text
}
