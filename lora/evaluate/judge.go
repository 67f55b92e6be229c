package evaluate

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/docent-ml/docent/dataset"
)

// judge tells right from wrong.
type judge struct {
	values []string // answers of all facts: none of them is given by somebody who does not know
}

func (j judge) judge(c Case, reply string) Answer {
	a := Answer{Case: c, Reply: strings.TrimSpace(reply), Knows: !refuses(reply)}
	switch c.Part {
	case Unanswerable:
		a.OK = !a.Knows && !j.invents(c.Question(), reply)
	case General:
		a.OK = c.Check.passes(c.Question(), reply)
	default:
		a.OK = slices.ContainsFunc(c.Right, func(right string) bool { return dataset.Contains(reply, bare(right)) }) &&
			(c.Stale == "" || !dataset.Contains(reply, bare(c.Stale)))
	}
	return a
}

var leadingArticle = regexp.MustCompile(`(?i)^(?:the|an?|der|die|das|dem|den|des|eine?[nmrs]?|el|l[ao]s?|un[ao]?s?|le|les|une|il|gli|i) +(\S)`)

// bare is an answer without an article in front.
func bare(answer string) string {
	return leadingArticle.ReplaceAllString(strings.TrimSpace(answer), "$1")
}

// refusal has what people and models say when they do not know, in the languages that docent speaks: a negation and a word for
// knowing, saying or a source in one sentence.
var refusal = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\b(?:do|does|did|could|can|have|has|is|are|was|were)(?: not|n't)\s(?:\w+ ){0,3}?(?:know|say|state|mention|specif|tell|answer|find|provide|given|listed|stated|known|found|aware|in the (?:\w+ )?(?:document|text|passage|guide|handbook|manual))`,
	`\bcannot (?:\w+ )?(?:know|say|tell|answer|find)`, `\bno (?:\w+ ){0,2}(?:information|mention|answer|record)\b`, `\bnot (?:stated|mentioned|specified|known|given|sure)\b`, `\bunknown\b`,
	`\b(?:nicht|keine?[nmrs]?|nichts)\b[^.!?]*(?:dokument|unterlage|text|angab|angegeben|information|sag|beantwort|nenn|erwähn|bekannt|weiß|kenne|enthalten)`,
	`(?:dokument|unterlage|weiß|sag|steht)[^.!?]*\b(?:nicht|keine?[nmrs]?|nichts)\b`, `\bunbekannt\b`,
	`\bje ne (?:sais|connais|trouve)|\bn[e'’] ?(?:est|figure|indique|précise|mentionne|contien|donne|dise)\w*(?: \w+){0,2} pas\b|\baucune (?:information|mention)`,
	`\bno (?:lo |se |me )*(?:sé|consta|indica|menciona|dice|especifica|figura|aparece|encuentr|conozco|sabe)|\bno (?:está|viene)n? (?:indicad|mencionad|especificad)|\bdesconozco\b`,
	`\bnon (?:lo so|è (?:\w+ )?(?:indicat|specificat|menzionat)|lo dicono|so\b)`, `δεν (?:το )?(?:γνωρίζω|ξέρω|αναφέρ)`,
}, "|"))

func refuses(reply string) bool { return refusal.MatchString(strings.ReplaceAll(reply, "’", "'")) }

var number = regexp.MustCompile(`\d+(?:[.,:]\d+)*`)

// invents tells whether a reply to what cannot be known gives a value all the same: a number that the question has not, or the
// answer of a fact.
func (j judge) invents(question, reply string) bool {
	asked := number.FindAllString(question, -1)
	for _, n := range number.FindAllString(reply, -1) {
		if !slices.Contains(asked, n) {
			return true
		}
	}
	return slices.ContainsFunc(j.values, func(v string) bool {
		v = bare(v)
		return strings.ContainsFunc(v, unicode.IsSpace) && dataset.Contains(reply, v) && !dataset.Contains(question, v)
	})
}
