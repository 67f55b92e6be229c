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

// bracket are the items of POSIX's classes, and of the properties that they are called by too.
func (t *translator) bracket(name string, fold bool) string {
	const alpha = `\p{L}\p{Nl}`
	letters := func(items, other string) string {
		if fold {
			t.refuse(name + " where case is ignored")
		}
		return items + ranges(unicode.Properties[other])
	}
	switch name {
	case "alpha", "alphabetic":
		return letters(alpha, "Other_Alphabetic")
	case "alnum":
		return letters(alpha+`\p{Nd}`, "Other_Alphabetic")
	case "word":
		return wordItems
	case "lower", "lowercase":
		return letters(`\p{Ll}`, "Other_Lowercase")
	case "upper", "uppercase":
		return letters(`\p{Lu}`, "Other_Uppercase")
	case "digit":
		return `\p{Nd}`
	case "space", "whitespace":
		return `\s`
	case "punct":
		return `\p{P}\p{S}`
	case "blank":
		return `\t\p{Zs}`
	case "cntrl":
		return `\p{Cc}`
	case "xdigit":
		return "0-9a-fA-F"
	case "ascii":
		return `\x00-\x7F`
	case "any":
		return `\s\S`
	}
	t.refuse("the class " + name)
	return ""
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
