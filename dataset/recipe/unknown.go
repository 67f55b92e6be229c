package recipe

import (
	"embed"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/docent-ml/docent/dataset"
)

// language is how one speaks of what is not known.
type language struct {
	code                   string
	unknown                string      // said in one form: several would share what greedy decoding gives to the likeliest beginning
	ask                    []attribute // of what a document is about
	person                 []attribute // of somebody whom it names
	prepositions, articles []string    // that stand before names
	instead                [][]string  // words that stand for one another, and mean another thing
}

// attribute is a question that documents seldom answer; signs are beginnings of words of a document that might.
type attribute struct {
	question string // with {s} for the subject, or {p} for the person
	signs    []string
}

//go:embed languages/*.txt
var languageFiles embed.FS

// readLanguage returns the forms of a language, or English.
func readLanguage(code string) language {
	text, err := languageFiles.ReadFile("languages/" + code + ".txt")
	if err != nil {
		code = "en"
		if text, err = languageFiles.ReadFile("languages/en.txt"); err != nil {
			panic(err) // it is compiled in
		}
	}
	l := language{code: code}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = line
		case section == "[before names]":
			prepositions, articles, _ := strings.Cut(line, "|")
			l.prepositions, l.articles = strings.Fields(prepositions), strings.Fields(articles)
		case section == "[instead]":
			l.instead = append(l.instead, strings.Fields(line))
		case section == "[unknown]":
			l.unknown = line
		default:
			q, signs, _ := strings.Cut(line, " | ")
			list := &l.ask
			if section == "[person]" {
				list = &l.person
			}
			*list = append(*list, attribute{q, strings.Fields(signs)})
		}
	}
	return l
}

// A share of the attributes is for training, the rest for evaluation: nobody is asked what he was trained on.
const (
	training   = 0
	evaluation = 1
)

func shareOf[T any](list []T, part int) (out []T) {
	for i, a := range list {
		if (i%4 == 3) == (part == evaluation) {
			out = append(out, a)
		}
	}
	return out
}

// subjects are the names of what each document is about: words with a capital inside a question, or with a digit, that many
// questions of the document have and few of the others; without one, the name of its file.
func subjects(facts []dataset.GroundedFact) map[string][]string {
	counts, total := map[string]map[string]int{}, map[string]int{}
	for _, f := range facts {
		if counts[f.Source] == nil {
			counts[f.Source] = map[string]int{}
		}
		total[f.Source]++
		for _, name := range namesIn(f.Question) {
			counts[f.Source][name]++
		}
	}
	out := map[string][]string{}
	for source, names := range counts {
		for name, n := range names {
			if n*6 < total[source] || n < 2 {
				continue
			}
			elsewhere := 0
			for other, theirs := range counts {
				if other != source {
					elsewhere += theirs[name]
				}
			}
			if elsewhere*4 < n {
				out[source] = append(out[source], name)
			}
		}
		if slices.Sort(out[source]); len(out[source]) == 0 {
			out[source] = []string{fileTitle(source)}
		}
	}
	joinNames(out, facts)
	return out
}

// joinNames makes one name of two that stand side by side: Institute is nothing without the Quarrick before it.
func joinNames(names map[string][]string, facts []dataset.GroundedFact) {
	for source, list := range names {
		for i, second := range list {
			for _, first := range list {
				alone, joined := 0, 0
				for _, f := range facts {
					if f.Source == source {
						alone += strings.Count(f.Question, second)
						joined += strings.Count(f.Question, first+" "+second)
					}
				}
				if joined*4 > alone*3 {
					list[i] = first + " " + second
				}
			}
		}
	}
}

// fileTitle is the name of a document's file as words.
func fileTitle(source string) string {
	name := path.Base(strings.ReplaceAll(source, `\`, "/"))
	return strings.Join(strings.FieldsFunc(strings.TrimSuffix(name, path.Ext(name)), func(r rune) bool { return r == '-' || r == '_' || unicode.IsSpace(r) }), " ")
}

var nameWord = regexp.MustCompile(`[\pL\pN][\pL\pN'’./-]*[\pL\pN]`)

// namesIn are the words of a question that look like names, each once; the first word does only if it has a digit.
func namesIn(question string) (out []string) {
	for i, at := range nameWord.FindAllStringIndex(question, -1) {
		w := question[at[0]:at[1]]
		first, _ := utf8.DecodeRuneInString(w)
		digit := strings.ContainsFunc(w, unicode.IsDigit)
		if (digit && strings.ContainsFunc(w, unicode.IsLetter) || i > 0 && unicode.IsUpper(first)) && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// unanswered is a question that the documents do not answer, made from one about the document of fact.
type unanswered struct {
	question string
	fact     dataset.GroundedFact
}

// unanswerable makes n questions. Half ask for an attribute of a document's subject or of a person in it, a quarter put a thing that
// is not there in the place of one that is, and a quarter ask a fact's question of somebody else's subject.
func (k *kitchen) unanswerable(n int, random *rand.Rand, part int) (out []unanswered) {
	if len(k.facts) == 0 {
		return nil
	}
	known := map[string]bool{}
	text := map[string]string{}
	for _, f := range k.facts {
		known[f.Question] = true
		text[f.Source] += " " + strings.ToLower(f.Passage.Text)
	}
	for try := 0; len(out) < n && try < 30*n; try++ {
		f := k.facts[random.IntN(len(k.facts))]
		var q string
		switch random.IntN(4) {
		case 0, 1:
			q = k.attribute(f, text[f.Source], random, part)
		case 2:
			q = k.otherThing(f, text[f.Source], random, part)
		default:
			q = k.otherSubject(f, random, part)
		}
		if q != "" && !known[q] {
			known[q] = true
			out = append(out, unanswered{q, f})
		}
	}
	return out
}

// attribute asks for what the document of a fact does not speak of: about its subject or, where the answer is somebody's name,
// half the time about that person.
func (k *kitchen) attribute(f dataset.GroundedFact, text string, random *rand.Rand, part int) string {
	l := k.language[f.Source]
	name, forms := squeeze(f.Answer), l.person
	if !person.MatchString(name) || random.IntN(2) == 0 {
		names := k.subjects[f.Source]
		if len(names) == 0 {
			return ""
		}
		name, forms = names[random.IntN(len(names))], l.ask
	}
	forms = shareOf(forms, part)
	if len(forms) == 0 {
		return ""
	}
	a := forms[random.IntN(len(forms))]
	for _, sign := range a.signs {
		if strings.Contains(text, sign) {
			return ""
		}
	}
	return strings.NewReplacer("{s}", name, "{p}", name).Replace(a.question)
}

// person is a name of two or three words, perhaps with a title.
var person = regexp.MustCompile(`^(?:\pL{1,5}\. ?)*\p{Lu}[\p{Ll}\p{Lu}’'-]+(?: \p{Lu}[\p{Ll}\p{Lu}’'.-]*){1,2}$`)

// otherThing changes what is asked about into what the document does not have: a name, the number in one, or a word by which
// things are told apart. E12 becomes E47, Mrs Hale Mrs Ostrander, the red bin the green bin.
func (k *kitchen) otherThing(f dataset.GroundedFact, text string, random *rand.Rand, part int) string {
	type change struct{ from, to string }
	var changes []change
	for _, name := range namesIn(f.Question) {
		if slices.ContainsFunc(k.subjects[f.Source], func(subject string) bool { return strings.Contains(subject, name) }) {
			continue
		}
		other := invented(random, part)
		if at := digits.FindStringIndex(name); at != nil {
			other = name[:at[0]] + strconv.Itoa(11+random.IntN(88)) + name[at[1]:]
		}
		changes = append(changes, change{name, other})
	}
	for _, word := range nameWord.FindAllString(f.Question, -1) {
		for _, others := range k.language[f.Source].standIns(word, part) {
			changes = append(changes, change{word, asCapital(others[random.IntN(len(others))], word)})
		}
	}
	if len(changes) == 0 {
		return ""
	}
	c := changes[random.IntN(len(changes))]
	if strings.Contains(text, strings.ToLower(c.to)) {
		return ""
	}
	return strings.Replace(f.Question, c.from, c.to, 1)
}

// standIns are the words that stand for a word and mean another thing, class by class.
func (l language) standIns(word string, part int) (out [][]string) {
	for _, class := range l.instead {
		if !slices.Contains(class, strings.ToLower(word)) && !slices.Contains(class, word) {
			continue
		}
		if others := shareOf(class, part); len(others) > 0 {
			out = append(out, others)
		}
	}
	return out
}

// asCapital is a word with a capital where another has one.
func asCapital(word, like string) string {
	if first, _ := utf8.DecodeRuneInString(like); !unicode.IsUpper(first) {
		return word
	}
	first, size := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(first)) + word[size:]
}

// otherSubject asks of somebody else what the document says of its own subject.
func (k *kitchen) otherSubject(f dataset.GroundedFact, random *rand.Rand, part int) string {
	for _, name := range k.subjects[f.Source] {
		if !strings.Contains(f.Question, name) {
			continue
		}
		other := invented(random, part)
		if at := digits.FindStringIndex(name); at != nil {
			other = strings.ToUpper(other[:3]) + strconv.Itoa(100+random.IntN(900))
		}
		return strings.ReplaceAll(f.Question, name, other)
	}
	return ""
}

// invented is a name that nobody has: two or three syllables.
func invented(random *rand.Rand, part int) string {
	begin := []string{"Bra", "Tol", "Ost", "Quil", "Fen", "Mar", "Cas", "Dun", "Es", "Har", "Lind", "Pem", "Ros", "Sal", "Vor", "Wen"}
	end := []string{"vik", "mere", "rander", "lon", "wick", "low", "trel", "more", "kil", "row", "qvist", "berly", "tov", "vini", "holt", "ley"}
	if part == evaluation {
		begin = []string{"Gar", "Hol", "Ire", "Kes", "Lor", "Nim", "Par", "Yar"}
		end = []string{"dane", "field", "gate", "lund", "ster", "ton", "vale", "worth"}
	}
	return begin[random.IntN(len(begin))] + end[random.IntN(len(end))]
}

// Unanswerable makes n questions that the documents of the facts do not answer, from forms and names that training does not use:
// to evaluate with. Their Answer is empty.
func Unanswerable(facts []dataset.GroundedFact, n int, seed uint64) (out []dataset.Fact) {
	k := newKitchen(facts, Recipe{}, seed)
	for _, u := range k.unanswerable(n, k.random("evaluate", ""), evaluation) {
		out = append(out, dataset.Fact{DocID: u.fact.DocID, Question: u.question})
	}
	return out
}
