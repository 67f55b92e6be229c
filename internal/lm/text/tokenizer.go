package text

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// Tokenizer is a byte-pair or unigram encoder as tokenizer.json describes it. It is safe for concurrent use.
type Tokenizer struct {
	model        wordModel
	byteFallback bool // characters outside the vocabulary become tokens such as <0xE2>
	normalize    normalizer
	preTokenize  preTokenizer
	decoder      []newStep
	raw          matcher // added tokens found in the text as given
	normalized   matcher // added tokens found after normalization
	tokens       []token // by id
	ids          map[string]int32
	byteLevel    bool
	spaceMark    string // what stands for a space in the vocabulary of sentencepiece, "" elsewhere
	prefix       []int32
	suffix       []int32
	settings     settings
	files        map[string][]byte // what WriteFiles writes
	specialWords matcher           // every special token, whatever its matching options
	most         int               // see AtMost; 0: no bound
}

// wordModel appends the ids of a word of text.
type wordModel interface {
	append(ids []int32, word string, s *scratch) []int32
}

type token struct {
	text    string
	defined bool // ids may have gaps
	added   bool
	special bool
}

// Load reads tokenizer.json, and beside it tokenizer_config.json, special_tokens_map.json and chat_template.jinja
// where they exist. Features that cannot be reproduced exactly are refused with [ErrUnsupported].
func Load(fsys fs.FS) (*Tokenizer, error) {
	data, err := fs.ReadFile(fsys, tokenizerFile)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w (a model folder needs the tokenizer.json of a fast tokenizer)", err)
	}
	doc, err := parseDocument(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tokenizerFile, err)
	}
	set, files, err := readSettings(fsys)
	if err != nil {
		return nil, err
	}
	files[tokenizerFile] = data
	tok, err := newTokenizer(doc, set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tokenizerFile, err)
	}
	tok.files = files
	return tok, nil
}

func newTokenizer(doc *document, set settings) (*Tokenizer, error) {
	t := &Tokenizer{settings: set, byteFallback: doc.Model.ByteFallback}
	var err error
	if doc.Model.Type == "Unigram" {
		t.model, err = newUnigram(&doc.Model)
	} else {
		t.model, err = newBPE(&doc.Model)
	}
	if err != nil {
		return nil, err
	}
	if t.normalize, err = newNormalizer(doc.Normalizer); err != nil {
		return nil, err
	}
	if t.preTokenize, err = newPreTokenizer(doc.PreTokenizer); err != nil {
		return nil, err
	}
	if t.decoder, err = newDecoder(doc.Decoder); err != nil {
		return nil, err
	}
	t.byteLevel = doc.Decoder.has("ByteLevel")
	if !t.byteLevel && (doc.Decoder.has("Metaspace") || doc.Decoder.has("Replace")) {
		t.spaceMark = "▁"
	}
	doc.addMissing(set.added)
	if err := t.addTokens(doc); err != nil {
		return nil, err
	}
	if err := t.setTemplate(doc.PostProcessor); err != nil {
		return nil, err
	}
	return t, t.resolve()
}

// addMissing adds the tokens that only tokenizer_config.json lists, as transformers does when it loads.
func (doc *document) addMissing(tokens []addedToken) {
	for _, token := range tokens {
		if !slices.ContainsFunc(doc.AddedTokens, func(a addedToken) bool { return a.ID == token.ID }) {
			doc.AddedTokens = append(doc.AddedTokens, token)
		}
	}
}

// has looks for a node of a type anywhere in the tree.
func (n *node) has(kind string) bool {
	if n == nil {
		return false
	}
	if n.Type == kind {
		return true
	}
	for _, list := range [][]node{n.Normalizers, n.PreTokenizers, n.Decoders, n.Processors} {
		for i := range list {
			if list[i].has(kind) {
				return true
			}
		}
	}
	return false
}

// addTokens builds the table of ids and the two searches for added tokens.
func (t *Tokenizer) addTokens(doc *document) error {
	highest := int32(-1)
	for text, id := range doc.Model.Vocab {
		if id < 0 {
			return fmt.Errorf("%w: token %q has the negative id %d", ErrFormat, text, id)
		}
		highest = max(highest, id)
	}
	for _, a := range doc.AddedTokens {
		if a.ID < 0 || a.Content == "" {
			return fmt.Errorf("%w: added token %q has id %d", ErrFormat, a.Content, a.ID)
		}
		highest = max(highest, a.ID)
	}
	count := len(doc.Model.Vocab) + len(doc.AddedTokens)
	if count == 0 {
		return fmt.Errorf("%w: empty vocabulary", ErrFormat)
	}
	if int(highest) > 8*count+1<<16 { // the table is indexed by id: one wild id must not allocate gigabytes
		return fmt.Errorf("%w: id %d in a vocabulary of %d tokens", ErrFormat, highest, count)
	}
	t.tokens = make([]token, highest+1)
	t.ids = make(map[string]int32, count)
	for text, id := range doc.Model.Vocab {
		if t.tokens[id].defined {
			return fmt.Errorf("%w: id %d belongs to %q and %q", ErrFormat, id, t.tokens[id].text, text)
		}
		t.tokens[id] = token{text: text, defined: true}
		t.ids[text] = id
	}
	for _, a := range doc.AddedTokens {
		text := a.Content
		if a.Normalized {
			text = t.normalize(text) // the form that is searched for, and since tokenizers 0.23 the one that is decoded
		}
		t.tokens[a.ID] = token{text: text, defined: true, added: true, special: a.Special}
		t.ids[a.Content] = a.ID
		switch {
		case !a.Normalized:
			t.raw.add(text, a)
		case text != "":
			t.normalized.add(text, a)
		}
		if a.Special {
			t.specialWords.add(a.Content, a)
		}
	}
	return nil
}

// setTemplate reads which special tokens stand around a single text.
func (t *Tokenizer) setTemplate(n *node) error {
	if n == nil {
		return nil
	}
	switch n.Type {
	case "ByteLevel": // only moves character offsets, which are not tracked here
		return nil
	case "Sequence":
		for i := range n.Processors {
			if err := t.setTemplate(&n.Processors[i]); err != nil {
				return err
			}
		}
		return nil
	case "TemplateProcessing":
		into := &t.prefix
		for _, p := range n.Single {
			switch {
			case p.Sequence != nil:
				into = &t.suffix
			case p.SpecialToken != nil:
				special, ok := n.SpecialTokens[p.SpecialToken.ID]
				if !ok {
					return fmt.Errorf("%w: post-processor names the unknown special token %q", ErrFormat, p.SpecialToken.ID)
				}
				*into = append(*into, special.IDs...)
			}
		}
		return nil
	}
	if n.Type == "RobertaProcessing" || n.Type == "BertProcessing" {
		if n.Cls == nil || n.Sep == nil {
			return fmt.Errorf("%w: post-processor %s needs cls and sep", ErrFormat, n.Type)
		}
		t.prefix, t.suffix = append(t.prefix, n.Cls.id), append(t.suffix, n.Sep.id)
		return nil
	}
	return fmt.Errorf("%w: post-processor %q", ErrUnsupported, n.Type)
}

// Encode returns the ids of a text without adding any. Special tokens that are written out in the text
// ("<|im_end|>") become their ids; text from users belongs in [Tokenizer.EncodeOrdinary]. Bytes that are not UTF-8
// count as U+FFFD.
func (t *Tokenizer) Encode(text string) []int32 { return t.encode(text, encodeOptions{}) }

// EncodeOrdinary is Encode with the special tokens taken as plain text. Added tokens that are not special, such as
// the runs of spaces of some vocabularies, are still found.
func (t *Tokenizer) EncodeOrdinary(text string) []int32 {
	return t.encode(text, encodeOptions{plainSpecial: true})
}

// EncodeWithSpecial is Encode between the special tokens that the model wants around a text, for most models a BOS
// token in front and for some none. Rendered chat prompts bring theirs already.
func (t *Tokenizer) EncodeWithSpecial(text string) []int32 {
	ids := append(t.encode(text, encodeOptions{}), t.suffix...)
	return slices.Insert(ids, 0, t.prefix...)
}

type encodeOptions struct {
	plainSpecial bool
	marker       string // removed from the text after the search for added tokens; see Chat
	most         int    // see AtMost; 0: no bound
}

// AtMost is the tokenizer for texts that are of use only up to so many tokens. Of one that has surely more it returns more than
// twice as many, but not all, which spares the time for the rest.
func (t *Tokenizer) AtMost(tokens int) *Tokenizer {
	c := *t
	c.most = tokens
	return &c
}

// encode reads a text that is long for so many tokens in part first: the end may be a word that is cut, which is why only twice
// as many are taken for proof.
func (t *Tokenizer) encode(text string, o encodeOptions) []int32 {
	most := cmp.Or(o.most, t.most)
	for part := 4 * most; part > 0 && 2*part <= len(text); part *= 4 {
		if ids := t.all(text[:part], o); len(ids) > 2*most {
			return ids
		}
	}
	return t.all(text, o)
}

func (t *Tokenizer) all(text string, o encodeOptions) []int32 {
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	ids := make([]int32, 0, len(text)/4+1)
	var s scratch
	t.raw.split(text, o.plainSpecial, func(stretch string, start int, added *addedToken) {
		if added != nil {
			ids = append(ids, added.ID)
			return
		}
		t.normalized.split(t.normalize(stretch), o.plainSpecial, func(stretch string, inner int, added *addedToken) {
			if added != nil {
				ids = append(ids, added.ID)
				return
			}
			if o.marker != "" {
				stretch = strings.ReplaceAll(stretch, o.marker, "")
			}
			if stretch == "" {
				return
			}
			t.preTokenize(stretch, start+inner == 0, func(word string, _ bool) {
				ids = t.model.append(ids, word, &s)
			})
		})
	})
	return ids
}

// Decode returns the text of the ids, as transformers does without its clean-up of spaces. With skipSpecial, special
// tokens are left out. Ids outside the vocabulary give nothing; bytes that are no UTF-8 give U+FFFD.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.NewStream(skipSpecial)
	var out strings.Builder
	for _, id := range ids {
		out.WriteString(s.Push(id))
	}
	out.WriteString(s.Flush())
	return out.String()
}

// Bytes returns the bytes that one token stands for, which may be a part of a character; nil outside the vocabulary.
func (t *Tokenizer) Bytes(id int32) []byte {
	text, ok := t.Token(id)
	switch {
	case !ok:
		return nil
	case t.tokens[id].added:
		return []byte(text)
	case t.byteLevel:
		return fromByteChars(nil, text)
	}
	if value, ok := byteToken(text); ok && t.byteFallback {
		return []byte{value}
	}
	if t.spaceMark != "" {
		text = strings.ReplaceAll(text, t.spaceMark, " ")
	}
	return []byte(text)
}

// Token returns the vocabulary entry of an id as it is written in tokenizer.json.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(t.tokens) || !t.tokens[id].defined {
		return "", false
	}
	return t.tokens[id].text, true
}

// ID returns the id of a vocabulary entry or added token.
func (t *Tokenizer) ID(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// IsSpecial tells control tokens, which are not text, from ordinary ones.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.tokens) && t.tokens[id].special
}

// VocabSize is one more than the highest id. A model may have more rows than that.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// BOS returns the id that starts a sequence; ok is false if the model has none.
func (t *Tokenizer) BOS() (id int32, ok bool) { return t.settings.bosID.get() }

// EOS returns the id that ends a sequence; ok is false if the model has none. A model's generation config may name
// more ids that end a turn.
func (t *Tokenizer) EOS() (id int32, ok bool) { return t.settings.eosID.get() }

// Pad returns the id that fills short rows of a batch; ok is false if the model has none.
func (t *Tokenizer) Pad() (id int32, ok bool) { return t.settings.padID.get() }
