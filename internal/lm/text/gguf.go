package text

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"unicode/utf8"
)

// ggufTemplate is the key of the chat template, and with a dot and a name behind it that of another one.
const ggufTemplate = "tokenizer.chat_template"

// llama.cpp's token types, the values of tokenizer.ggml.token_type.
const (
	ggufUnknown     = 2
	ggufControl     = 3
	ggufUserDefined = 4
)

// The Split patterns of the families that GGUF knows only by a name in tokenizer.ggml.pre.
const (
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	tekkenPattern = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// FromGGUF builds the tokenizer from the metadata of a GGUF file, keyed as in the file ("tokenizer.ggml.tokens").
// Values are strings, bools, []string, and numbers and slices of numbers of any Go type. It writes the tokenizer.json that the metadata
// describes and reads that, so the ids are those of the Hugging Face tokenizer.
func FromGGUF(metadata map[string]any) (*Tokenizer, error) {
	md := ggufReader{values: metadata}
	doc := md.document()
	set := md.settings(doc)
	tok, err := (*Tokenizer)(nil), md.err
	if err == nil {
		tok, err = newTokenizer(doc, set)
	}
	if err == nil {
		tok.files, err = tok.render(doc)
	}
	if err != nil {
		return nil, fmt.Errorf("gguf metadata: %w", err)
	}
	return tok, nil
}

// ggufReader keeps the first error, so that reading a value is an expression.
type ggufReader struct {
	values map[string]any
	err    error
}

func (md *ggufReader) fail(format string, args ...any) {
	if md.err == nil {
		md.err = fmt.Errorf(format, args...)
	}
}

func (md *ggufReader) document() *document {
	doc := &document{Version: "1.0", Model: modelNode{Type: "BPE", Vocab: map[string]int32{}, Merges: mergeList{}}}
	tokens := md.strings("tokenizer.ggml.tokens")
	if len(tokens) == 0 {
		md.fail("%w: tokenizer.ggml.tokens is missing or empty", ErrFormat)
		return doc
	}
	for id, token := range tokens {
		if other, ok := doc.Model.Vocab[token]; ok {
			md.fail("%w: tokenizer.ggml.tokens: %q has the ids %d and %d", ErrFormat, token, other, id)
		}
		doc.Model.Vocab[token] = int32(id)
	}
	types := md.numbers("tokenizer.ggml.token_type")
	if len(types) != 0 && len(types) != len(tokens) {
		md.fail("%w: tokenizer.ggml.token_type has %d entries for %d tokens", ErrFormat, len(types), len(tokens))
		return doc
	}
	for id, kind := range types {
		if special := kind == ggufControl || kind == ggufUnknown; special || kind == ggufUserDefined {
			doc.AddedTokens = append(doc.AddedTokens, addedToken{ID: int32(id), Content: tokens[id], Special: special})
		}
	}
	switch model := md.text("tokenizer.ggml.model"); model {
	case "gpt2":
		md.byteLevel(doc)
	case "llama":
		md.sentencePiece(doc, tokens, types)
	default:
		md.fail("%w: tokenizer.ggml.model %q (gpt2 and llama are implemented)", ErrUnsupported, model)
	}
	return doc
}

// byteLevel describes the byte-level BPE of one of the families named by tokenizer.ggml.pre.
func (md *ggufReader) byteLevel(doc *document) {
	no, yes := false, true
	bytesOnly := node{Type: "ByteLevel", AddPrefixSpace: &no, TrimOffsets: &no, UseRegex: &no}
	gpt2 := node{Type: "ByteLevel", AddPrefixSpace: &no, TrimOffsets: &yes, UseRegex: &yes}
	split := func(regex string) *node {
		return &node{Type: "Sequence", PreTokenizers: []node{
			{Type: "Split", Pattern: &pattern{Regex: &regex}, Behavior: "Isolated", Invert: &no}, bytesOnly,
		}}
	}
	switch pre := md.text("tokenizer.ggml.pre"); pre {
	case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b":
		doc.PreTokenizer = &node{Type: "Sequence", PreTokenizers: []node{{Type: "Digits", IndividualDigits: true}, gpt2}}
	case "llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral":
		doc.PreTokenizer = split(llama3Pattern)
		doc.Model.IgnoreMerges = true
	case "dbrx", "smaug-bpe":
		doc.PreTokenizer = split(llama3Pattern)
	case "qwen2", "deepseek-r1-qwen", "megrez", "stablelm2", "hunyuan":
		doc.PreTokenizer = split(qwen2Pattern)
		if pre != "stablelm2" && pre != "hunyuan" {
			doc.Normalizer = &node{Type: "NFC"}
		}
	case "tekken":
		doc.PreTokenizer = split(tekkenPattern)
		doc.Model.IgnoreMerges = true
	case "gpt-2", "phi-2", "olmo", "jina-es", "jina-de", "gigachat", "mpt", "roberta-bpe":
		doc.PreTokenizer = &gpt2
	default:
		md.fail("%w: tokenizer.ggml.pre %q", ErrUnsupported, pre)
	}
	decoder := gpt2
	doc.Decoder = &decoder
	for _, text := range md.strings("tokenizer.ggml.merges") {
		var m merge
		if err := m.parse(text); err != nil {
			md.fail("tokenizer.ggml.merges: %w", err)
		}
		doc.Model.Merges = append(doc.Model.Merges, m)
	}
}

// sentencePiece describes a sentencepiece vocabulary with scores: every way to split a token into two tokens is a
// merge, the best score first, as transformers converts such vocabularies.
func (md *ggufReader) sentencePiece(doc *document, tokens []string, types []float64) {
	scores := md.numbers("tokenizer.ggml.scores")
	if len(scores) != len(tokens) || len(types) != len(tokens) {
		md.fail("%w: tokenizer.ggml.scores and token_type have %d and %d entries for %d tokens", ErrFormat, len(scores), len(types), len(tokens))
		return
	}
	mark, space := "▁", " "
	doc.Normalizer = &node{Type: "Replace", Pattern: &pattern{String: &space}, Content: &mark}
	decoders := []node{
		{Type: "Replace", Pattern: &pattern{String: &mark}, Content: &space}, {Type: "ByteFallback"}, {Type: "Fuse"},
	}
	if md.flag("tokenizer.ggml.add_space_prefix", true) {
		one, zero := 1, 0
		doc.Normalizer = &node{Type: "Sequence", Normalizers: []node{{Type: "Prepend", Prepend: mark}, *doc.Normalizer}}
		decoders = append(decoders, node{Type: "Strip", Content: &space, Start: &one, Stop: &zero})
	}
	doc.Decoder = &node{Type: "Sequence", Decoders: decoders}
	doc.Model.ByteFallback, doc.Model.FuseUnk = true, true
	if unk, ok := md.token("tokenizer.ggml.unknown_token_id", tokens); ok {
		doc.Model.UnkToken = &unk
	}
	doc.Model.Merges = mergesByScore(doc.Model.Vocab, tokens, scores, types)
}

func mergesByScore(vocab map[string]int32, tokens []string, scores, types []float64) mergeList {
	type ranked struct {
		merge
		id, left, right int32
	}
	var all []ranked
	for id, token := range tokens {
		if kind := types[id]; kind == ggufControl || kind == ggufUnknown {
			continue
		}
		for i := range token {
			if i == 0 || !utf8.ValidString(token) {
				continue
			}
			left, okLeft := vocab[token[:i]]
			right, okRight := vocab[token[i:]]
			if okLeft && okRight {
				all = append(all, ranked{merge{token[:i], token[i:]}, int32(id), left, right})
			}
		}
	}
	runes := utf8.RuneCountInString
	slices.SortFunc(all, func(a, b ranked) int { // the order of transformers' generate_merges, to the last tie
		return cmp.Or(cmp.Compare(scores[b.id], scores[a.id]), cmp.Compare(runes(b.merge[0]), runes(a.merge[0])),
			cmp.Compare(runes(b.merge[1]), runes(a.merge[1])), cmp.Compare(a.id, b.id),
			cmp.Compare(a.left, b.left), cmp.Compare(a.right, b.right))
	})
	merges := make(mergeList, len(all))
	for i, r := range all {
		merges[i] = r.merge
	}
	return merges
}

// settings reads the special tokens and the template, and gives the document its post-processor.
func (md *ggufReader) settings(doc *document) settings {
	set := settings{special: map[string]string{}}
	tokens := md.strings("tokenizer.ggml.tokens")
	for name, key := range map[string]string{
		"bos_token": "bos_token_id", "eos_token": "eos_token_id",
		"unk_token": "unknown_token_id", "pad_token": "padding_token_id",
	} {
		if token, ok := md.token("tokenizer.ggml."+key, tokens); ok {
			set.special[name] = token
		}
	}
	set.chatTemplate = md.text(ggufTemplate)
	set.toolTemplate = md.text(ggufTemplate + "." + toolTemplate)
	// Sentencepiece models put BOS in front unless the file says otherwise; byte-level ones do not.
	addBOS := md.flag("tokenizer.ggml.add_bos_token", md.text("tokenizer.ggml.model") == "llama")
	addEOS := md.flag("tokenizer.ggml.add_eos_token", false)
	set.addBOS = &addBOS
	bos, eos := set.special["bos_token"], set.special["eos_token"]
	doc.PostProcessor = aroundText(doc, addBOS && bos != "", bos, addEOS && eos != "", eos)
	return set
}

// aroundText is the post-processor that puts BOS and EOS around a text, nil if neither is wanted.
func aroundText(doc *document, addBOS bool, bos string, addEOS bool, eos string) *node {
	if !addBOS && !addEOS {
		return nil
	}
	n := &node{Type: "TemplateProcessing", SpecialTokens: map[string]specialToken{}}
	special := func(text string, typeID int) piece {
		n.SpecialTokens[text] = specialToken{ID: text, IDs: []int32{doc.Model.Vocab[text]}, Tokens: []string{text}}
		return piece{SpecialToken: &pieceRef{ID: text, TypeID: typeID}}
	}
	for typeID, sequence := range []string{"A", "B"} {
		if addBOS {
			n.Pair = append(n.Pair, special(bos, typeID))
		}
		n.Pair = append(n.Pair, piece{Sequence: &pieceRef{ID: sequence, TypeID: typeID}})
		if addEOS {
			n.Pair = append(n.Pair, special(eos, typeID))
		}
		if typeID == 0 {
			n.Single = slices.Clone(n.Pair)
		}
	}
	return n
}

func (md *ggufReader) text(key string) string { return ggufValue(md, key, "", "a string") }

func (md *ggufReader) flag(key string, absent bool) bool { return ggufValue(md, key, absent, "a bool") }

func (md *ggufReader) strings(key string) []string {
	return ggufValue[[]string](md, key, nil, "a list of strings")
}

// ggufValue is a value of a type, or what it is when the key is absent.
func ggufValue[T any](md *ggufReader, key string, absent T, what string) T {
	value, present := md.values[key]
	if !present || value == nil {
		return absent
	}
	out, ok := value.(T)
	if !ok {
		md.fail("%w: %s is a %T, not %s", ErrFormat, key, value, what)
	}
	return out
}

// token reads a token id and returns its text; ok is false if the key is absent.
func (md *ggufReader) token(key string, tokens []string) (text string, ok bool) {
	value, present := md.values[key]
	if !present {
		return "", false
	}
	id, ok := number(value)
	if !ok || id != math.Trunc(id) || id < 0 || id >= float64(len(tokens)) {
		md.fail("%w: %s is %v in a vocabulary of %d tokens", ErrFormat, key, value, len(tokens))
		return "", false
	}
	return tokens[int(id)], true
}

func (md *ggufReader) numbers(key string) []float64 {
	value, present := md.values[key]
	if !present {
		return nil
	}
	out, ok := numbers(value)
	if !ok {
		md.fail("%w: %s is a %T, not a list of numbers", ErrFormat, key, value)
	}
	return out
}

// numbers and number take any numeric Go type by reflection: which one a metadata reader uses is its own business.
func numbers(value any) ([]float64, bool) {
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return nil, false
	}
	out := make([]float64, list.Len())
	for i := range out {
		var ok bool
		if out[i], ok = number(list.Index(i).Interface()); !ok {
			return nil, false
		}
	}
	return out, true
}

func number(value any) (float64, bool) {
	switch v := reflect.ValueOf(value); {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
