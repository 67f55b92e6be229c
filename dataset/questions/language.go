package questions

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
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
	rules        map[string][]rule          // by section
	lines        map[string][]string        // as they stand, by section
	synonyms     []synonym
	parts        []asking
	kinds        map[string][]named  // of headers and labels, of when one asks, and of subjects
	ask          map[string][]string // forms by kind
	subject      map[string][]string // forms by kind
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
	names, err := fs.Glob(languageFiles, "languages/*.txt")
	if err != nil {
		panic(err) // it is compiled in
	}
	var all []*language
	for _, name := range names {
		l, err := readLanguage(languageFiles, path.Base(name))
		if err != nil {
			panic(err)
		}
		all = append(all, l)
	}
	return all
})

// readLanguage reads the files of a language: languages/name and, where there is one, thesaurus/name.
func readLanguage(fsys fs.FS, name string) (*language, error) {
	l := &language{code: strings.TrimSuffix(name, ".txt"), words: map[string]map[string]bool{}, rules: map[string][]rule{}, lines: map[string][]string{},
		kinds: map[string][]named{}, agreeing: map[string][]string{}, ask: map[string][]string{}, subject: map[string][]string{}}
	type entry struct{ section, line, place string }
	var inflected []entry
	for _, file := range []string{"languages/" + name, "thesaurus/" + name} {
		text, err := fs.ReadFile(fsys, file)
		if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(file, "thesaurus/") {
			continue
		} else if err != nil {
			return nil, err
		}
		section, n := "", 0
		for line := range strings.Lines(string(text)) {
			n++
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if name, ok := strings.CutPrefix(line, "["); ok {
				section = strings.TrimSuffix(name, "]")
				continue
			}
			at := entry{section, line, fmt.Sprintf("%s:%d", file, n)}
			if section == "nouns" || section == "actions" { // after the verbs that they are made with
				inflected = append(inflected, at)
			} else if err := l.add(section, line); err != nil {
				return nil, fmt.Errorf("%s: %w", at.place, err)
			}
		}
	}
	if l.code == "en" {
		l.verbs = englishVerbs(slices.Sorted(maps.Keys(l.words["verbs"])))
	}
	for _, x := range inflected {
		if err := l.addSynonyms(x.section, x.line); err != nil {
			return nil, fmt.Errorf("%s: %w", x.place, err)
		}
	}
	l.synonyms = merged(l.synonyms)
	l.words["function"] = map[string]bool{}
	for _, section := range []string{"common", "articles", "prepositions", "ask", "auxiliaries"} {
		maps.Copy(l.words["function"], l.words[section])
	}
	return l, nil
}

// wordSections are the sections of words.
const wordSections = " adjectives adverbs approximations articles ask auxiliaries binding colours common comparisons copulas counted dangling days determiners" +
	" document duration every frequency imperatives measures modals money months negations notplaces numbered numbers ordinals particles people percent" +
	" placewords please predicates prepositions pronouns quantity reflexives single subjects subordinators titles verbs wheres whoever whois "

func (l *language) add(section, line string) error {
	if kind, ok := strings.CutPrefix(section, "ask "); ok {
		l.ask[kind] = append(l.ask[kind], alternatives(line)...)
		return nil
	}
	from, to, pair := strings.Cut(line, " = ")
	kind, behind, hasKind := strings.Cut(line, ": ")
	switch section {
	case "agreeing": // a pronoun: the articles that it may stand for
		l.agreeing[kind] = strings.Fields(behind)
	case "indirect", "opening": // beginnings of indirect questions, and what people say before they ask
		l.lines[section] = append(l.lines[section], line)
	case "contractions":
		l.contractions = append(l.contractions, " "+from+" ", " "+to+" ")
	case "tails":
		l.tails = append(l.tails, [2]string{" " + strings.ReplaceAll(from, "_", " "), " " + strings.ReplaceAll(to, "_", " ")})
	case "typed", "rewrite", "situations", "clefts":
		r, err := newRule(section, line)
		l.rules[section] = append(l.rules[section], r)
		return err
	case "wh": // after the words that it names
		part, err := l.parsePart(line)
		l.parts = append(l.parts, part)
		return err
	case "synonyms":
		return l.addSynonyms(section, line)
	case "headers", "labels", "when", "subject":
		if section == "subject" && pair {
			l.subject[from] = alternatives(to)
		} else if hasKind {
			l.kinds[section] = append(l.kinds[section], named{kind, strings.Split(behind, "|")})
		} else {
			return fmt.Errorf("no kind in %q", line)
		}
	default:
		if !strings.Contains(wordSections, " "+section+" ") {
			return fmt.Errorf("the section [%s] is not known", section)
		}
		if l.words[section] == nil {
			l.words[section] = map[string]bool{}
		}
		for w := range strings.FieldsSeq(line) {
			l.words[section][strings.ReplaceAll(w, "_", " ")] = true
		}
	}
	return nil
}

// newRule reads "kind: pattern => forms"; the kind may be missing, but not in [typed].
func newRule(section, line string) (r rule, err error) {
	left, right, ok := strings.Cut(line, "=>")
	if !ok {
		return r, fmt.Errorf("no => in %q", line)
	}
	left, r.to = strings.TrimSpace(left), alternatives(right)
	if kind, behind, ok := strings.Cut(left, ": "); ok && letters(kind) {
		r.kind, left = kind, behind
	}
	if section == "typed" {
		if r.kind == "" {
			return r, fmt.Errorf("no kind in %q", line)
		}
		left = "(?:" + left + `)\b(?P<rest>.*)`
		for i := range r.to {
			r.to[i] += "{rest}"
		}
	}
	r.from, err = pattern(left)
	return r, err
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
	maps.Copy(filled, values)
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
