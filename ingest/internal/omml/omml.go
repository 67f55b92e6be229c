// Package omml writes the formulas of office documents (Office MathML) on one line without losing their structure: a
// fraction keeps its bar, an exponent its height. The notation is that in which Word takes formulas from the keyboard.
package omml

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// Linear returns the formula that stands in n.
func Linear(n *zipxml.Node) string {
	var s strings.Builder
	var last rune
	built := false // of parts: what follows must not become one of them
	for _, k := range n.Kids {
		part := element(k)
		first, _ := utf8.DecodeRuneInString(part)
		if built && isWord(last) && isWord(first) || k.Name != "r" && unicode.IsDigit(last) && unicode.IsDigit(first) {
			s.WriteByte(' ')
			last = ' '
		}
		if part != "" {
			s.WriteString(part)
			last, _ = utf8.DecodeLastRuneInString(part)
			built = k.Name != "r"
		}
	}
	return s.String()
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// arg is the named part of a structure.
func arg(n *zipxml.Node, name string) string {
	if k := n.Kid(name); k != nil {
		return Linear(k)
	}
	return ""
}

// value is a setting of a structure, or otherwise where it is not set.
func value(n *zipxml.Node, name, otherwise string) string {
	if v, ok := n.Kid(n.Name+"Pr", name).Lookup("val"); ok {
		return v
	}
	return otherwise
}

func isOn(n *zipxml.Node, name string) bool {
	k := n.Kid(n.Name+"Pr", name)
	v := k.Attr("val")
	return k != nil && v != "0" && v != "off" && v != "false"
}

func element(n *zipxml.Node) string {
	switch n.Name {
	case "r":
		var b strings.Builder
		for _, k := range n.Kids {
			if k.Name == "t" {
				b.WriteString(k.String())
			}
		}
		return b.String()
	case "f":
		bar := "/"
		if value(n, "type", "bar") == "noBar" {
			bar = "¦" // n over k, as in binomials
		}
		return group(arg(n, "num")) + bar + group(arg(n, "den"))
	case "sSup":
		return group(arg(n, "e")) + script("^", arg(n, "sup"))
	case "sSub":
		return group(arg(n, "e")) + script("_", arg(n, "sub"))
	case "sSubSup":
		return group(arg(n, "e")) + script("_", arg(n, "sub")) + script("^", arg(n, "sup"))
	case "sPre":
		return script("_", arg(n, "sub")) + script("^", arg(n, "sup")) + arg(n, "e")
	case "rad":
		if degree := arg(n, "deg"); degree != "" && !isOn(n, "degHide") {
			return "√(" + degree + "&" + arg(n, "e") + ")"
		}
		return "√" + group(arg(n, "e"))
	case "nary":
		sign := value(n, "chr", "∫")
		if sub := arg(n, "sub"); !isOn(n, "subHide") {
			sign += script("_", sub)
		}
		if sup := arg(n, "sup"); !isOn(n, "supHide") {
			sign += script("^", sup)
		}
		return sign + " " + arg(n, "e")
	case "d":
		var parts []string
		for _, k := range n.Kids {
			if k.Name == "e" {
				parts = append(parts, Linear(k))
			}
		}
		return value(n, "begChr", "(") + strings.Join(parts, value(n, "sepChr", "|")) + value(n, "endChr", ")")
	case "func":
		name, e := arg(n, "fName"), arg(n, "e")
		if first, _ := utf8.DecodeRuneInString(e); unicode.IsLetter(first) || unicode.IsDigit(first) {
			name += " "
		}
		return name + e
	case "limLow":
		return arg(n, "e") + script("_", arg(n, "lim"))
	case "limUpp":
		return arg(n, "e") + script("^", arg(n, "lim"))
	case "acc":
		return marked(arg(n, "e"), value(n, "chr", "\u0302"))
	case "bar":
		if value(n, "pos", "bot") == "top" {
			return marked(arg(n, "e"), "\u0305")
		}
		return marked(arg(n, "e"), "\u0332")
	case "phant":
		if v, set := n.Kid("phantPr", "show").Lookup("val"); set && (v == "0" || v == "off" || v == "false") {
			return ""
		}
	case "m":
		return rows(n, "mr", ", ", "; ")
	case "eqArr":
		return rows(n, "e", "", "; ")
	case "ctrlPr", "argPr", "oMathParaPr", "del", "moveFrom":
		return ""
	}
	if strings.HasSuffix(n.Name, "Pr") {
		return ""
	}
	return Linear(n)
}

// rows joins the rows of a matrix, whose cells are elements e, or of a list of equations.
func rows(n *zipxml.Node, name, between, after string) string {
	var lines []string
	for _, row := range n.Kids {
		if row.Name != name {
			continue
		}
		if between == "" {
			lines = append(lines, strings.ReplaceAll(Linear(row), "&", "")) // marks of alignment
			continue
		}
		var cells []string
		for _, c := range row.Kids {
			if c.Name == "e" {
				cells = append(cells, Linear(c))
			}
		}
		lines = append(lines, strings.Join(cells, between))
	}
	return strings.Join(lines, after)
}

func script(mark, s string) string {
	if s == "" {
		return ""
	}
	return mark + group(s)
}

// marked puts an accent on one letter, or behind a group.
func marked(s, accent string) string { return group(s) + accent }

// group sets what is more than one name or number in brackets, unless it has some.
func group(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || isAtom(s) || isBracketed(s) {
		return s
	}
	return "(" + s + ")"
}

func isAtom(s string) bool {
	if utf8.RuneCountInString(s) == 1 {
		return true
	}
	digits, letters := 0, 0
	for _, r := range s {
		switch {
		case unicode.IsDigit(r), r == '.', r == ',':
			digits++
		case unicode.IsLetter(r), unicode.Is(unicode.Mn, r):
			letters++
		default:
			return false
		}
	}
	return digits == 0 || letters == 0
}

// isBracketed tells "(a+b)" from "(a)+(b)".
func isBracketed(s string) bool {
	depth := 0
	for i, r := range s {
		switch r {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i == len(s)-1
			}
		default:
			if depth == 0 {
				return false
			}
		}
	}
	return false
}
