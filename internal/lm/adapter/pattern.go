package adapter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// patterns are the entries of rank_pattern or alpha_pattern in the order of the file. As in PEFT, the first whose key
// Python's re.match(rf"(.*\.)?({key})$", path) finds decides for a module.
type patterns []pattern

type pattern struct {
	key   string
	value float64
	re    *regexp2.Regexp
}

// times are the patterns with their values multiplied.
func (p patterns) times(factor float64) patterns {
	p = slices.Clone(p)
	for i := range p {
		p[i].value *= factor
	}
	return p
}

// value of the module, or otherwise that of all.
func (p patterns) value(path string, otherwise float64) (float64, error) {
	for _, e := range p {
		ok, err := e.re.MatchString(path)
		if err != nil {
			return 0, fmt.Errorf("%w: pattern %q: %w", ErrFormat, e.key, err)
		}
		if ok {
			return e.value, nil
		}
	}
	return otherwise, nil
}

func (p *patterns) UnmarshalJSON(data []byte) error {
	var values map[string]float64
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	keys := json.NewDecoder(bytes.NewReader(data))
	for len(*p) < len(values) {
		token, err := keys.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok || slices.ContainsFunc(*p, func(e pattern) bool { return e.key == key }) { // a brace, a value, a key that comes again
			continue
		}
		re, err := compilePython(`^(.*\.)?(` + key + `)$`)
		if err != nil {
			return fmt.Errorf("pattern %q: %w", key, err)
		}
		*p = append(*p, pattern{key, values[key], re})
	}
	return nil
}

func (p patterns) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, e := range p {
		if i > 0 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%s:%v", key, e.value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// python is one construct of Python's regular expressions that means the same in .NET's dialect, which is regexp2's, in ASCII
// text, as module paths are; or that pythonOther puts into it. Classes inside classes, possessive quantifiers, flags,
// conditions and groups that only one of the two knows are not among them.
var python = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`[^\\\[\]{}()*+?|]`, `\|`, // a character; ^ and $ too
	`\\[dDwWsSbBAZ]`, `\\[^A-Za-z0-9]`, // escapes
	`\[\^?(?:\\[dDwWsS]|\\[^A-Za-z0-9]|[^\\\[\]])+\]`, // a class
	`\((?:\?(?:[:=!]|<[=!]|P<[A-Za-z_]\w*>))?`, `\)`,  // groups
	`(?:[*+?]|\{[0-9]+(?:,[0-9]*)?\}|\{,[0-9]+\})\??`, // how often
}, "|") + `)`)

// pythonOther spells for .NET what it spells otherwise.
var pythonOther = strings.NewReplacer(`\\`, `\\`, `(?P<`, `(?<`, `\Z`, `\z`, `{,`, `{0,`)

// compilePython compiles a regular expression of Python, or refuses it.
func compilePython(source string) (*regexp2.Regexp, error) {
	quantified := false
	for rest := source; rest != ""; {
		part := python.FindString(rest)
		again := part != "" && strings.Contains("*+?{", part[:1])
		if part == "" || quantified && again {
			return nil, fmt.Errorf("%w: docent may not read %q as Python does", ErrFormat, rest)
		}
		quantified = again || strings.HasPrefix(part, "(") // "(?" of another kind
		rest = rest[len(part):]
	}
	re, err := regexp2.Compile(pythonOther.Replace(source), regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	re.MatchTimeout = time.Second
	return re, nil
}
