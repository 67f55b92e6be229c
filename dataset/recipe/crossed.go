package recipe

import (
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/dataset"
)

// crossed asks of one thing of a document what it says of another: the order number of the pump, where it has that of the door and
// how long the pump is covered. Who knows both words must tell that they do not belong together. Where a sentence has the
// thing and a longer word of what is asked of it, it may have the answer, and nothing is asked.
func (k *kitchen) crossed(f dataset.GroundedFact, random *rand.Rand) string {
	ask := k.about(f)
	for _, i := range random.Perm(len(k.facts)) {
		of := k.about(k.facts[i])
		if k.facts[i].Source == f.Source && ask.thing != "" && of.thing != "" && ask.lead == of.lead && !k.together(f, ask.before, of.thing) {
			return ask.before + " " + ask.lead + " " + of.thing + ask.behind
		}
	}
	return ""
}

// together tells whether the document of a fact may speak of a thing where it says what is asked.
func (k *kitchen) together(f dataset.GroundedFact, asks, thing string) bool {
	asked := slices.DeleteFunc(strings.Fields(strings.ToLower(asks)), func(w string) bool { return len(w) < 5 })
	thing = strings.ToLower(thing)
	if strings.Contains(strings.ToLower(f.Question), thing) {
		return true
	}
	for _, h := range k.facts {
		if h.Source != f.Source {
			continue
		}
		for text := range strings.FieldsFuncSeq(strings.ToLower(h.Passage.Text+"\n"+h.Question), func(r rune) bool { return strings.ContainsRune(".!?\n", r) }) {
			if strings.Contains(text, thing) && slices.ContainsFunc(asked, func(w string) bool { return strings.Contains(text, w) }) {
				return true
			}
		}
	}
	return false
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// about is a question with the thing at its end: "what is the order number", "of the", "pump", " of the KL-20?".
type about struct{ before, lead, thing, behind string }

// about takes the question of a fact apart; the thing is empty if there is none of up to three words.
func (k *kitchen) about(f dataset.GroundedFact) (a about) {
	l := k.language[f.Source]
	words := strings.Fields(f.Question)
	lead := func(end int) (from, to int) { // the last preposition before end, with its article
		for i := end - 1; i > 0; i-- {
			if !slices.Contains(l.prepositions, words[i]) {
				continue
			}
			if i+1 < end && slices.Contains(l.articles, words[i+1]) {
				return i, i + 2
			}
			return i, i + 1
		}
		return 0, 0
	}
	end := len(words)
	from, to := lead(end)
	if slices.ContainsFunc(words[to:end], func(w string) bool {
		return slices.ContainsFunc(k.subjects[f.Source], func(name string) bool { return strings.Contains(w, name) })
	}) {
		end = from
		from, to = lead(end)
	}
	thing := strings.Join(words[to:end], " ")
	bare := strings.TrimRight(thing, "?;\u037e ")
	last, _ := utf8.DecodeRuneInString(lastWord(bare))
	switch {
	case from == 0 || to == end || end-to > 3, to-from == 1 && end-to == 1: // "at least"
		return about{}
	case strings.ContainsFunc(bare, unicode.IsDigit): // a row of a table, whose sentence does not say what is in it
		return about{}
	case l.code == "de" && !unicode.IsUpper(last): // a verb
		return about{}
	}
	a = about{strings.Join(words[:from], " "), strings.Join(words[from:to], " "), bare, strings.TrimPrefix(thing, bare)}
	if end < len(words) {
		a.behind += " " + strings.Join(words[end:], " ")
	}
	return a
}
