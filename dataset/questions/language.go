package questions

import (
	"embed"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// The forms of questions, and the few words that rules must know, are data: a file for each language. A file has sections,
// "[name]", of one entry a line; what is between braces in a rule is a slot.
//
//	[common] [articles] …  words by what they are
//	[typed]                kind of answer: start of a question => other starts
//	[rewrite]              question => the same question in other forms; a kind of answer may stand before: "money: ..."
//	[situations]           the same, as people ask it who tell their situation; only for the question in its own words
//	[clefts]               question words => what stands before the statement that they ask about; English and German
//	[synonyms]             words of one meaning: "a | b" says b for a, "a = b" each for each
//	[nouns] [actions]      the same for English nouns, with their plurals, and verbs, with their forms
//	[indirect] [opening]   what stands before an indirect question, and before any
//	[headers] [labels]     kind of column or row: its names
//	[ask KIND]             questions about such a cell: {k} is its row, {h} its column
//	[wh]                   part of a sentence => question words for it; outside English
//	[subject]              how a question names what the document is about
//
// The thesaurus has more [synonyms], [nouns] and [actions], what people who have not read a document say for its words, and
// more [rewrite] or [situations], how they ask: their situation first, in everyday words.
//
//go:embed languages/*.txt thesaurus/*.txt
var languageFiles embed.FS

// language is what the rules know of a language.
type language struct {
	code         string
	words        map[string]map[string]bool // by section
	typed        []rule
	rewrite      []rule
	situations   []rule
	clefts       []rule // of question words
	synonyms     []synonym
	parts        []asking
	kinds        map[string][]named  // of section headers and labels
	ask          map[string][]string // forms by kind
	subject      map[string][]string // forms by kind
	subjectHints []named
	inflected    [][2]string         // lines of [nouns] and [actions]
	indirect     []string            // beginnings of indirect questions
	opening      []string            // what people say before they ask
	contractions []string            // pairs: " a el ", " al "
	tails        [][2]string         // beginnings of a genitive, and of words that may stand anywhere: " of the ", " at the "
	agreeing     map[string][]string // articles by pronoun
	verbs        verbs               // of English
}

type rule struct {
	kind string // of the answer; empty or "any" for each
	from *regexp.Regexp
	to   []string
}

// named is a kind with words that tell it.
type named struct {
	kind  string
	words []string
}

// languages returns all languages there are question forms for.
var languages = sync.OnceValue(func() []*language {
	entries, err := languageFiles.ReadDir("languages")
	if err != nil {
		panic(err) // it is compiled in
	}
	var all []*language
	for _, entry := range entries {
		text, err := languageFiles.ReadFile("languages/" + entry.Name())
		if err != nil {
			panic(err)
		}
		more, _ := languageFiles.ReadFile("thesaurus/" + entry.Name()) // not every language has one
		text = append(append(text, '\n'), more...)
		l, err := parseLanguage(strings.TrimSuffix(entry.Name(), ".txt"), string(text))
		if err != nil {
			panic(err)
		}
		all = append(all, l)
	}
	return all
})

func parseLanguage(code, text string) (*language, error) {
	l := &language{code: code, words: map[string]map[string]bool{}, kinds: map[string][]named{}, agreeing: map[string][]string{}, ask: map[string][]string{}, subject: map[string][]string{}}
	section := ""
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSuffix(name, "]")
			continue
		}
		if err := l.add(section, line); err != nil {
			return nil, fmt.Errorf("%s.txt:%d: %w", code, n+1, err)
		}
	}
	if code == "en" {
		l.verbs = englishVerbs(slices.Sorted(maps.Keys(l.words["verbs"])))
	}
	for _, line := range l.inflected {
		if err := l.addSynonyms(line[0], line[1]); err != nil {
			return nil, fmt.Errorf("%s.txt: %w", code, err)
		}
	}
	l.synonyms = merged(l.synonyms)
	l.words["function"] = map[string]bool{}
	for _, section := range []string{"common", "articles", "prepositions", "ask", "auxiliaries"} {
		maps.Copy(l.words["function"], l.words[section])
	}
	return l, nil
}

func (l *language) add(section, line string) error {
	kind, isAsk := strings.CutPrefix(section, "ask ")
	switch {
	case isAsk:
		l.ask[kind] = append(l.ask[kind], alternatives(line)...)
	case section == "agreeing": // a pronoun: the articles that it may stand for
		pronoun, articles, _ := strings.Cut(line, ": ")
		l.agreeing[pronoun] = strings.Fields(articles)
	case section == "indirect":
		l.indirect = append(l.indirect, line)
	case section == "contractions":
		from, to, _ := strings.Cut(line, " = ")
		l.contractions = append(l.contractions, " "+from+" ", " "+to+" ")
	case section == "tails":
		from, to, _ := strings.Cut(strings.ReplaceAll(line, "_", " "), " = ")
		l.tails = append(l.tails, [2]string{" " + from, " " + to})
	case section == "opening":
		l.opening = append(l.opening, line)
	case slices.Contains([]string{"typed", "rewrite", "situations", "clefts"}, section):
		left, right, ok := strings.Cut(line, "=>")
		if !ok {
			return fmt.Errorf("no => in %q", line)
		}
		left = strings.TrimSpace(left)
		r := rule{to: alternatives(right)}
		if kind, behind, ok := strings.Cut(left, ": "); ok && letters(kind) {
			r.kind, left = kind, behind
		}
		if section == "typed" {
			if r.kind == "" {
				return fmt.Errorf("no kind in %q", line)
			}
			left = "(?:" + left + `)\b(?P<rest>.*)`
			for i := range r.to {
				r.to[i] += "{rest}"
			}
		}
		var err error
		if r.from, err = pattern(left); err != nil {
			return err
		}
		switch section {
		case "typed":
			l.typed = append(l.typed, r)
		case "rewrite":
			l.rewrite = append(l.rewrite, r)
		case "situations":
			l.situations = append(l.situations, r)
		default:
			l.clefts = append(l.clefts, r)
		}
	case section == "wh": // after the words that it names
		part, err := l.parsePart(line)
		if err != nil {
			return err
		}
		l.parts = append(l.parts, part)
	case section == "synonyms":
		return l.addSynonyms(section, line)
	case section == "nouns" || section == "actions": // after the verbs that they are made with
		l.inflected = append(l.inflected, [2]string{section, line})
	case section == "headers" || section == "labels" || section == "when":
		kind, words, ok := strings.Cut(line, ": ")
		if !ok {
			return fmt.Errorf("no kind in %q", line)
		}
		l.kinds[section] = append(l.kinds[section], named{kind, strings.Split(words, "|")})
	case section == "subject":
		if kind, forms, ok := strings.Cut(line, " = "); ok {
			l.subject[kind] = alternatives(forms)
		} else if kind, words, ok := strings.Cut(line, ": "); ok {
			l.subjectHints = append(l.subjectHints, named{kind, strings.Split(words, "|")})
		} else {
			return fmt.Errorf("neither = nor : in %q", line)
		}
	default:
		set := l.words[section]
		if set == nil {
			set = map[string]bool{}
			l.words[section] = set
		}
		for w := range strings.FieldsSeq(line) {
			set[strings.ReplaceAll(w, "_", " ")] = true
		}
	}
	return nil
}

func alternatives(line string) []string {
	parts := strings.Split(line, " | ")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
	}
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

var slot = regexp.MustCompile(`\{(\w+)(:[^{}]*)?\}`)

// pattern compiles the left side of a rule. {x} stands for any words, {p:in|at} for one of these, {tail} for a space and any words,
// or nothing; the whole question must fit.
func pattern(text string) (*regexp.Regexp, error) {
	text = strings.ReplaceAll(text, "{tail}", "(?P<tail>(?: .+)?)")
	text = slot.ReplaceAllStringFunc(text, func(s string) string {
		m := slot.FindStringSubmatch(s)
		if m[2] != "" {
			return "(?P<" + m[1] + ">" + m[2][1:] + ")"
		}
		return "(?P<" + m[1] + `>\S.*?)`
	})
	return regexp.Compile("(?i)^(?:" + text + ")$")
}

// fill puts values into the slots of a form; ok is false if one has no value.
func fill(form string, values map[string]string) (text string, ok bool) {
	ok = true
	text = slot.ReplaceAllStringFunc(form, func(s string) string {
		v := values[s[1:len(s)-1]]
		if v == "" && s != "{rest}" && s != "{tail}" {
			ok = false
		}
		return v
	})
	return text, ok
}

// apply returns what a rule makes of a question.
func (l *language) apply(r rule, question string, values map[string]string) []string {
	m := r.from.FindStringSubmatch(question)
	if m == nil {
		return nil
	}
	filled := map[string]string{}
	for name, v := range values {
		filled[name] = v
	}
	for i, name := range r.from.SubexpNames() {
		if name != "" {
			if len(name) == 1 && !l.nounPhrase(m[i]) && strings.ContainsAny(name, "abx") || name == "y" && l.hanging(m[i]) {
				return nil
			}
			filled[name] = m[i]
			if name == "tail" {
				filled[name] = l.anywhere(m[i])
			}
			if l.code == "de" || l.code == "el" {
				for _, form := range []string{"nom", "acc", "dat"} {
					filled[name+"_"+form], _ = nounCase(m[i], form)
				}
			}
		}
	}
	var out []string
	for _, form := range r.to {
		if text, ok := fill(form, filled); ok {
			out = append(out, text)
		}
	}
	return out
}

// detect returns the language of a text, or nil if there are no question forms for it. Function words decide: every sixth word
// or more of a text is one of its language, and of no other as many.
func detect(text string) *language {
	var best *language
	counts, words := map[*language]int{}, 0
	seen := map[*language]map[string]bool{}
	for w := range tokenSeq(text) {
		words++
		for _, l := range languages() {
			if l.function(w) {
				counts[l]++
				if seen[l] == nil {
					seen[l] = map[string]bool{}
				}
				seen[l][w] = true
			}
		}
	}
	for _, l := range languages() {
		if best == nil || counts[l] > counts[best] {
			best = l
		}
	}
	if best == nil || counts[best]*6 < words || len(seen[best]) < 2 || best.ask["other"] == nil {
		return nil
	}
	return best
}

// tokenSeq yields the words of a text in lower case, without what stands between them.
func tokenSeq(text string) iter.Seq[string] {
	return strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && r != '%' && r != '€' && r != '\'' && r != '’'
	})
}

func (l *language) is(section, word string) bool { return l.words[section][strings.ToLower(word)] }
