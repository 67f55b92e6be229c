package questions

import (
	"slices"
	"strings"
	"unicode"
)

// span is an answer in the words [from, to) that a question word replaces.
type span struct {
	from, to int
	wh       []string
	answer   string
}

func (l *asker) isNumber(w string) bool {
	w = strings.ToLower(strings.Trim(w, ",.;:()"))
	return l.is("numbers", w) || numeral.FindString(w) == w && w != "" || strings.Contains(w, "-") && l.is("numbers", strings.Split(w, "-")[0]) && l.is("numbers", strings.Split(w, "-")[1])
}

// spans finds the numbers, times, places and reasons among the words behind a verb.
func (l *asker) spans(words []string) []span {
	var out []span
	taken := make([]bool, len(words))
	mark := func(s span) {
		if slices.Contains(taken[s.from:s.to], true) {
			return
		}
		for i := s.from; i < s.to; i++ {
			taken[i] = true
		}
		out = append(out, s)
	}
	for i := 0; i < len(words); i++ {
		if s, ok := l.numberSpan(words, i); ok {
			mark(s)
			i = max(i, s.to-1)
		}
	}
	for i, w := range words {
		low := strings.ToLower(w)
		bare := strings.Trim(w, ",")
		switch {
		case i > 0 && l.is("prepositions", words[i-1]) && l.is("numbered", bare) && bare == w && i+1 < len(words) && (strings.ContainsFunc(words[i+1], unicode.IsDigit) || len(strings.Trim(words[i+1], ",")) == 1 && isUpper(words[i+1])):
			mark(span{i - 1, i + 2, []string{words[i-1] + " which " + low}, low + " " + strings.Trim(words[i+1], ",")})
		case l.is("colours", bare) && i+1 < len(words) && hasLetter(words[i+1]) && bare == w && !l.function(words[i+1]):
			from := i
			if i > 0 && l.is("articles", words[i-1]) {
				from--
			}
			prefix := ""
			if from > 0 && l.is("prepositions", words[from-1]) {
				from--
				prefix = strings.ToLower(words[from]) + " "
			}
			mark(span{from, i + 2, []string{prefix + "what colour " + strings.Trim(words[i+1], ",.")}, bare})
		case low == "because" && i > 0 && i+2 < len(words):
			mark(span{i, len(words), []string{"why"}, strings.Join(words[i:], " ")})
		case l.is("frequency", strings.Trim(low, ",")) && (low != "once" && low != "twice" || i+1 < len(words) && (words[i+1] == "a" || words[i+1] == "per" || words[i+1] == "every") || i+1 == len(words)) && (i+1 == len(words) || strings.HasSuffix(w, ",") || l.function(words[i+1]) || strings.HasSuffix(low, "ce")):
			to := i + 1
			if to+1 < len(words) && (words[to] == "a" || words[to] == "per") {
				to += 2
			}
			mark(span{i, to, []string{"how often"}, strings.Join(words[i:to], " ")})
		case l.is("placewords", low) && i+1 < len(words) && !l.is("notplaces", strings.Trim(words[i+1], ",")) && (l.is("articles", words[i+1]) && (words[i+1] == "the" || low != "on" && low != "in") || isUpper(words[i+1])) && !l.boundary(words[:i]):
			to := i + 1 + len(l.object(words[i+1:]))
			if to+1 < len(words) && (words[to] == "of" || words[to] == "to" && low == "next") {
				to = to + 1 + len(l.object(words[to+1:]))
			}
			head := strings.Trim(words[to-1], ",")
			if to-i > 8 || l.is("notplaces", head) || slices.Contains(taken[i:to], true) || l.is("months", head) {
				continue
			}
			if l.is("days", strings.TrimSuffix(head, "s")) || l.is("days", head) {
				mark(span{i, to, []string{"when", "on which day"}, strings.Join(words[i:to], " ")})
				continue
			}
			mark(span{i, to, []string{"where"}, strings.Join(words[i:to], " ")})
		}
	}
	return out
}

// numberSpan finds the answer around a number, a day or a time at words[i].
func (l *asker) numberSpan(words []string, i int) (span, bool) {
	trimmed := func(j int) string { return strings.Trim(words[j], ",;:()") }
	low := strings.ToLower(trimmed(i))
	isDay := l.is("days", low)
	isTime := clockTime.MatchString(words[i])
	glued := numeral.MatchString(low) && !l.isNumber(low) && (l.is("percent", strings.TrimLeft(low, "0123456789.,")) || l.is("money", strings.TrimRight(low, "0123456789.,")))
	if !isDay && !isTime && !l.isNumber(low) && !glued && !l.is("ordinals", low) {
		return span{}, false
	}
	from, to := i, i+1
	// A name with a number ("room 12", "week 5", "hall 3") is no quantity.
	if i > 0 && !isDay && !isTime {
		before := strings.ToLower(trimmed(i - 1))
		if l.is("numbered", before) || l.is("numbered", strings.TrimSuffix(before, "s")) {
			return span{}, false
		}
	}
	get := func(j int) string {
		if j < 0 || j >= len(words) {
			return ""
		}
		return strings.ToLower(trimmed(j))
	}
	kind, unit := count, ""
	switch {
	case isTime:
		kind = clock
		if get(to) == "a.m." || get(to) == "p.m." || get(to) == "am" || get(to) == "pm" {
			to++
		}
	case isDay:
		kind = weekday
		if get(to) == "of" && (l.is("months", get(to+1)) || get(to+1) == "each" || get(to+1) == "every" || get(to+1) == "the") {
			if to += 2; !l.is("months", get(to-1)) {
				to++
			}
		}
		for from > 0 && (l.is("ordinals", get(from-1)) || get(from-1) == "and" && l.is("ordinals", get(from-2))) {
			from--
		}
		if from < i && get(from-1) == "the" {
			from--
		}
	case l.is("months", get(to)):
		kind = date
		to++
		if get(to) == "and" && numeral.MatchString(get(to+1)) && l.is("months", get(to+2)) {
			to += 3
		}
		if len(get(to)) == 4 && numeral.MatchString(get(to)) {
			to++
		}
	case i > 0 && l.is("months", get(i-1)):
		kind, from = date, i-1
	case glued:
		kind = l.classify(low).kind
	case l.is("ordinals", low) && (l.is("days", get(to)) || get(to) == "and"):
		return span{}, false // "the first Monday" is found at its day
	case l.is("ordinals", low) && (get(i-1) == "the" || get(i-1) == "every") && i > 1 && l.is("prepositions", get(i-2)) && get(to) != "" && !l.is("prepositions", get(to)):
		if l.is("counted", get(to)) && to+1 < len(words) { // "the third working day"
			to++
		}
		return span{i - 2, to + 1, []string{get(i-2) + " which " + strings.ToLower(strings.Trim(strings.Join(words[i+1:to+1], " "), ",;:"))}, strings.Join(words[i-2:to+1], " ")}, true
	case l.unitKind(get(to)) != "":
		kind, unit = l.unitKind(get(to)), get(to)
		if kind == quantity {
			unit = trimmed(to)
		}
		to++
	case get(to) == "more" && l.is("duration", get(to+1)):
		kind, unit = duration, "more "+get(to+1)
		to += 2
	case l.is("counted", get(to)):
		if !l.is("duration", get(to+1)) {
			return span{}, false
		}
		kind, unit = duration, get(to)+" "+get(to+1)
		to += 2
	case l.is("ordinals", low):
		return span{}, false
	case len(low) == 4 && numeral.FindString(low) == low && (get(i-1) == "in" || get(i-1) == "since" || get(i-1) == "until" || get(i-1) == "from"):
		kind = "year"
	}
	// A range belongs together: "from 10:00 to 14:30", "between 2 and 8 degrees", "Tuesdays and Thursdays".
	if to+1 < len(words) && (get(to) == "to" || get(to) == "and" || get(to) == "or" || get(to) == "until") {
		if s, ok := l.numberSpan(words[to+1:], 0); ok && (isDay || get(from-1) == "from" || get(from-1) == "between" || isTime && get(to) == "to") {
			inner := l.classify(strings.Join(words[to+1:to+1+s.to], " "))
			if kind == count {
				kind, unit = inner.kind, inner.unit
			}
			to += 1 + s.to
		}
	}
	if kind == count {
		if get(to) == "of" && l.isNumber(get(to+1)) { // "16 of 20 points"
			to += 2
		}
		head := to
		for head < len(words) && head < to+3 && hasLetter(words[head]) && !l.is("prepositions", trimmed(head)) && !l.function(trimmed(head)) && !l.is("subordinators", trimmed(head)) && l.verbs.participle[get(head)].base == "" {
			head++
			if strings.ContainsAny(words[head-1], ",;:") {
				break
			}
		}
		if head == to {
			return span{}, false
		}
		unit = strings.Trim(strings.Join(words[to:head], " "), ",;:")
		if !isUpper(words[to]) {
			unit = strings.ToLower(unit)
		}
		to = head
		if (low == "one" || low == "1") && !strings.HasSuffix(unit, "s") {
			unit += "s"
		}
	}
	text := strings.Trim(strings.Join(words[from:to], " "), ",;:")
	many := "how many " + l.plural(unit)
	wh := map[string][]string{
		money: {"how much", many}, percent: {"what percentage", "how many percent"}, duration: {"how long", many}, quantity: {"how much", many}, count: {many},
		clock: {"at what time", "when"}, weekday: {"on which day", "when"}, date: {"when", "on what date"}, "year": {"when", "in which year"},
	}[kind]
	if wh == nil { // a range of two kinds
		return span{}, false
	}
	asksWhen := kind == clock || kind == weekday || kind == date || kind == "year"
	if kind == percent && get(to) == "of" || (kind == duration || kind == quantity) && get(to) == "of" {
		end := to + 1 + len(l.object(words[to+1:]))
		of := strings.Trim(strings.Join(words[to:end], " "), ",")
		wh = []string{many + " " + of}
		if kind == percent {
			wh = []string{"what percentage " + of}
		}
		if kind == quantity {
			wh = append(wh, "how much "+strings.TrimPrefix(of, "of "))
		}
		to = end
	}
	for from > 0 && (l.is("approximations", get(from-1)) || l.is("comparisons", get(from-1)) || get(from-1) == "at" && (get(from) == "least" || get(from) == "most")) || get(from-1) == "to" && get(from-2) == "up" {
		from-- // words before that belong to it
		if get(from) == "to" {
			from--
		}
	}
	before := get(from - 1)
	if (kind == quantity || kind == duration) && l.is("measures", get(to)) && before != "a" && before != "an" && before != "the" { // "820 mm high"
		return span{from, to + 1, []string{"how " + get(to), "how many " + l.plural(unit) + " " + get(to)}, text}, true
	}
	switch {
	case before == "every" || before == "each":
		wh = []string{"how often", "when"}
		if kind == duration || kind == count {
			wh = wh[:1]
		}
		return span{from - 1, to, wh, words[from-1] + " " + text}, true
	case before == "a" || before == "an" || before == "the":
		if kind == date && get(from-2) == "" || !asksWhen { // "the 40 euro ticket"
			return span{}, false
		}
		from--
	}
	before = get(from - 1)
	// "a flat rate of 42 euro": asked for as what rate.
	if before == "of" && kind != clock && kind != date && kind != weekday {
		noun := from - 2
		for noun > 0 && !l.is("articles", get(noun)) && from-noun < 6 {
			noun--
		}
		if noun < 0 || !l.is("articles", get(noun)) {
			return span{}, false
		}
		what := "what " + strings.Join(words[noun+1:from-1], " ")
		if noun > 0 && l.is("prepositions", get(noun-1)) {
			return span{noun - 1, to, []string{get(noun-1) + " " + what}, text}, true
		}
		return span{noun, to, []string{what}, text}, true
	}
	switch {
	case asksWhen:
		if before == "from" || before == "between" {
			if strings.Contains(text, " to ") || strings.Contains(text, " and ") || strings.Contains(text, " until ") {
				return span{from - 1, to, []string{"when", "at what times"}, strings.Trim(strings.Join(words[from-1:to], " "), ",;:")}, true
			}
			return span{from - 1, to, []string{"from when", "from what time"}, text}, true
		}
		if before == "before" || before == "until" || before == "after" || before == "by" || before == "since" {
			ask := map[string]string{clock: "what time", weekday: "which day", date: "what date", "year": "which year"}[kind]
			return span{from - 1, to, []string{before + " " + ask, before + " when"}, text}, true
		}
		if before == "on" || before == "at" || before == "in" {
			from--
		}
	case l.is("prepositions", before) && before != "to":
		ask := wh[0]
		if ask == "how long" && before != "for" || kind == quantity && ask == "how much" {
			ask = many
		}
		if before != "about" && before != "over" && before != "under" {
			wh = []string{before + " " + ask}
		}
		from--
	}
	return span{from, to, wh, text}, true
}

// unitKind is the kind of a number before a unit.
func (l *asker) unitKind(unit string) string {
	for _, kind := range []string{percent, money, duration, quantity} { // which are sections too
		if l.is(kind, unit) {
			return kind
		}
	}
	return ""
}

func hasLetter(w string) bool { return strings.ContainsFunc(w, unicode.IsLetter) }
