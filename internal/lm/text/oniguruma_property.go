package text

import (
	"strings"
	"unicode"
)

// property are the items of \p{name}.
func (t *translator) property(name string, fold bool) string {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("_", "", " ", "", "-", "").Replace(s))
	}
	for long, short := range unicode.CategoryAliases {
		if plain(long) == plain(name) {
			name = short
		}
	}
	items := ""
	for _, tables := range []map[string]*unicode.RangeTable{unicode.Categories, unicode.Scripts} {
		for known, table := range tables {
			if plain(known) != plain(name) || known == "LC" || known == "Cn" || known == "C" {
				continue
			}
			if fold && cased(table) {
				t.refuse(`\p{` + name + "} where case is ignored")
			}
			items = `\p{` + known + "}"
		}
	}
	if items == "" {
		items = t.bracket(plain(name), fold)
	}
	return items
}

// posix reads [:name:] behind its first colon.
func (t *translator) posix(fold bool) set {
	s := set{negated: t.take("^")}
	s.items = t.bracket(t.until(':'), fold)
	if !t.take("]") {
		t.refuse("[: without :]")
	}
	return s
}

// brackets are the items of POSIX's classes, and of the properties that they are called by too.
var brackets = map[string]string{
	"word": wordItems, "digit": `\p{Nd}`, "space": `\s`, "whitespace": `\s`, "punct": `\p{P}\p{S}`, "blank": `\t\p{Zs}`, "cntrl": `\p{Cc}`,
	"xdigit": "0-9a-fA-F", "ascii": `\x00-\x7F`, "any": `\s\S`,
}

// letters are those with a property of Unicode beside.
var letters = map[string]struct{ items, other string }{
	"alpha": {`\p{L}\p{Nl}`, "Other_Alphabetic"}, "alphabetic": {`\p{L}\p{Nl}`, "Other_Alphabetic"}, "alnum": {`\p{L}\p{Nl}\p{Nd}`, "Other_Alphabetic"},
	"lower": {`\p{Ll}`, "Other_Lowercase"}, "lowercase": {`\p{Ll}`, "Other_Lowercase"},
	"upper": {`\p{Lu}`, "Other_Uppercase"}, "uppercase": {`\p{Lu}`, "Other_Uppercase"},
}

func (t *translator) bracket(name string, fold bool) string {
	if items, ok := brackets[name]; ok {
		return items
	}
	of, ok := letters[name]
	if !ok {
		t.refuse("the class " + name)
	}
	if fold {
		t.refuse(name + " where case is ignored")
	}
	return of.items + ranges(unicode.Properties[of.other])
}

// ranges writes a table out.
func ranges(table *unicode.RangeTable) string {
	var out strings.Builder
	add := func(from, to, stride rune) {
		if stride == 1 && from < to {
			out.WriteString(string(from) + "-" + string(to))
			return
		}
		for r := from; r <= to; r += stride {
			out.WriteRune(r)
		}
	}
	for _, r := range table.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range table.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return out.String()
}

// cased tells whether a table has characters with another case.
func cased(table *unicode.RangeTable) bool {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(table, r) && unicode.SimpleFold(r) != r {
			return true
		}
	}
	return false
}
