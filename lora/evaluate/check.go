package evaluate

import (
	_ "embed"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/docent-ml/docent/dataset"
)

// Check is what a program can tell of the answer to a general request. All that is set must hold.
type Check struct {
	Any      []string `json:"any,omitempty"`       // one of these stands in it
	All      []string `json:"all,omitempty"`       // each of these
	None     []string `json:"none,omitempty"`      // none of these
	Regex    string   `json:"regex,omitempty"`     // is found in it, in any case
	MinWords int      `json:"min_words,omitempty"` // it has so many
	MaxWords int      `json:"max_words,omitempty"`
	MinItems int      `json:"min_items,omitempty"` // lines of a list
	Varied   float64  `json:"varied,omitempty"`    // share of its words that are different
	AtLeast  *AtLeast `json:"at_least,omitempty"`
	JSONKeys []string `json:"json_keys,omitempty"` // of an object in it
	Ends     bool     `json:"ends,omitempty"`      // it ends a sentence
	MinSents int      `json:"min_sentences,omitempty"`
}

// AtLeast asks for some of many words. Its JSON form is [2, ["red", "blue", …]].
type AtLeast struct {
	N     int
	Words []string
}

// UnmarshalJSON reads [n, [words]].
func (a *AtLeast) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&a.N, &a.Words}) }

// MarshalJSON writes it.
func (a AtLeast) MarshalJSON() ([]byte, error) { return json.Marshal([]any{a.N, a.Words}) }

var (
	anyWord     = regexp.MustCompile(`[\pL\pM]+(?:['’-][\pL\pM]+)*`)
	listItem    = regexp.MustCompile(`(?m)^\s*(?:[-*•]|\d+[.)])\s+\S`)
	sentenceEnd = regexp.MustCompile(`[.!?…]+["'”’)]*(?:\s|$)`)
	lastMark    = regexp.MustCompile(`[.!?…]["'”’)*]*$`)
	object      = regexp.MustCompile(`(?s)\{.*?\}`)
)

// passes tells whether a reply, without the prompt that it may begin with, is right.
func (c *Check) passes(prompt, reply string) bool {
	reply = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(reply), prompt))
	words := anyWord.FindAllString(strings.ToLower(reply), -1)
	in := func(s string) bool { return dataset.Contains(reply, s) }
	count := func(list []string) (n int) {
		for _, s := range list {
			if in(s) {
				n++
			}
		}
		return n
	}
	different := map[string]bool{}
	for _, w := range words {
		different[w] = true
	}
	matches := true
	if c.Regex != "" {
		re, err := regexp.Compile("(?is)" + c.Regex)
		matches = err == nil && re.MatchString(reply)
	}
	return matches && reply != "" &&
		(len(c.Any) == 0 || count(c.Any) > 0) && count(c.All) == len(c.All) && count(c.None) == 0 &&
		len(words) >= c.MinWords && (c.MaxWords == 0 || len(words) <= c.MaxWords) &&
		len(listItem.FindAllString(reply, -1)) >= c.MinItems &&
		float64(len(different)) >= c.Varied*float64(len(words)) &&
		(c.AtLeast == nil || count(c.AtLeast.Words) >= c.AtLeast.N) &&
		len(sentenceEnd.FindAllString(reply, -1)) >= c.MinSents && (!c.Ends || lastMark.MatchString(reply)) && hasKeys(reply, c.JSONKeys)
}

func hasKeys(reply string, keys []string) bool {
	if len(keys) == 0 {
		return true
	}
	var o map[string]any
	if json.Unmarshal([]byte(object.FindString(reply)), &o) != nil {
		return false
	}
	for _, key := range keys {
		if _, ok := o[key]; !ok {
			return false
		}
	}
	return true
}

//go:embed general.jsonl
var generalPrompts string

// GeneralPrompt is an everyday request with a check.
type GeneralPrompt struct {
	Prompt string `json:"prompt"`
	Check  *Check `json:"check"`
}

// DefaultGeneral are requests that come with docent; none of them is trained on by package recipe.
func DefaultGeneral() []GeneralPrompt {
	var out []GeneralPrompt
	for line := range strings.Lines(generalPrompts) {
		var g GeneralPrompt
		if err := json.Unmarshal([]byte(line), &g); err != nil {
			panic(err) // it is compiled in
		}
		out = append(out, g)
	}
	return out
}
