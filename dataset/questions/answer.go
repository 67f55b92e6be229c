package questions

import (
	"regexp"
	"strings"
	"unicode"
)

// The kinds of answers decide which questions fit.
const (
	money    = "money"
	percent  = "percent"
	duration = "duration"
	every    = "every" // how often
	clock    = "clock"
	date     = "date"
	weekday  = "days"
	quantity = "quantity" // a number with a unit
	count    = "count"    // a number
	person   = "person"
	other    = "other"
)

// answer is what a text says as the answer to a question.
type answer struct {
	kind string
	unit string // the unit, or what is counted, as it stands; empty without one
}

var (
	clockTime = regexp.MustCompile(`(?i)\b\d{1,2}(:\d{2}|h\d{0,2})\b( ?[ap]\.?m\b)?|\b\d{1,2}(\.\d{2})? ?([ap]\.?m\b|Uhr\b|o'clock\b|heures\b)`)
	numeral   = regexp.MustCompile(`\d+(?:[.,  ]\d+)*`)
)

// classify tells what kind an answer is.
func (l *language) classify(text string) answer {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;()/", r) })
	a := answer{kind: other}
	number, name := false, 0
	for i, w := range words {
		bare := strings.ToLower(strings.Trim(w, ".:"))
		isNumber := numeral.MatchString(w) || l.is("numbers", bare)
		symbol := strings.TrimLeft(bare, "0123456789.,") // "45%", "15min"
		switch {
		case l.is("percent", bare), isNumber && l.is("percent", symbol):
			return answer{percent, bare}
		case l.is("money", bare) && number, isNumber && l.is("money", symbol), l.is("money", string([]rune(w)[:1])) && numeral.MatchString(w):
			return answer{money, strings.TrimLeft(strings.Trim(w, ".:"), "0123456789.,€$£")}
		case l.is("months", bare) && (number || i+1 < len(words) && numeral.MatchString(words[i+1])):
			return answer{kind: date}
		case l.is("days", bare) && !clockTime.MatchString(text):
			return answer{kind: weekday}
		case l.is("titles", bare):
			return answer{kind: person}
		case l.is("duration", bare) && l.startsEvery(words):
			return answer{every, strings.Trim(w, ".:")}
		case l.is("duration", bare) && number:
			return answer{duration, strings.Trim(w, ".:")}
		case (l.is("quantity", bare) || l.is("quantity", symbol) && isNumber) && (number || isNumber):
			return answer{quantity, strings.TrimLeft(strings.Trim(w, ".:"), "0123456789.,")}
		}
		if isNumber {
			number = true
			if a.kind == other {
				a.kind = count
			}
		} else if a.kind == count && a.unit == "" && number && letters(bare) && !l.function(bare) {
			a.unit = strings.Trim(w, ".:")
		}
		if first := []rune(w)[0]; unicode.IsUpper(first) {
			name++
		}
	}
	switch {
	case clockTime.MatchString(text):
		return answer{kind: clock}
	case len(words) > 0 && l.is("every", words[0]) && len(words) < 4:
		return answer{kind: every}
	}
	return a
}

func (l *language) startsEvery(words []string) bool { return len(words) > 0 && l.is("every", words[0]) }

// function tells whether a word is one of those that say nothing of a subject.
func (l *language) function(word string) bool {
	return l.is("function", word)
}

func letters(word string) bool {
	return strings.IndexFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && r != '-' }) < 0 && word != ""
}
