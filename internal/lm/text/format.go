package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// document is tokenizer.json. Normalizers, pre-tokenizers, decoders and post-processors are trees of {type, …}
// nodes; one struct holds the fields of all of them, because a document is also written by [FromGGUF].
type document struct {
	Version       string       `json:"version"`
	Truncation    any          `json:"truncation"`
	Padding       any          `json:"padding"`
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *node        `json:"normalizer"`
	PreTokenizer  *node        `json:"pre_tokenizer"`
	PostProcessor *node        `json:"post_processor"`
	Decoder       *node        `json:"decoder"`
	Model         modelNode    `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type modelNode struct {
	Type                    string           `json:"type"`
	Dropout                 *float64         `json:"dropout"`
	UnkToken                *string          `json:"unk_token"`
	ContinuingSubwordPrefix *string          `json:"continuing_subword_prefix"`
	EndOfWordSuffix         *string          `json:"end_of_word_suffix"`
	FuseUnk                 bool             `json:"fuse_unk"`
	ByteFallback            bool             `json:"byte_fallback"`
	IgnoreMerges            bool             `json:"ignore_merges"`
	Vocab                   map[string]int32 `json:"vocab"`
	Merges                  mergeList        `json:"merges"`

	// Of a Unigram:
	UnkID  *int32 `json:"unk_id,omitempty"`
	scores scoreList
}

// UnmarshalJSON looks at the type before the vocabulary, because models store theirs in different shapes, and those that
// are refused are so by their name and not by a JSON type error.
func (m *modelNode) UnmarshalJSON(data []byte) error {
	var head struct {
		Type   string          `json:"type"`
		Merges json.RawMessage `json:"merges"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	// Files of tokenizers before 0.9 have no type; a list of merges tells a BPE.
	if head.Type == "" && head.Merges != nil {
		head.Type = "BPE"
	}
	type plain modelNode
	switch head.Type {
	case "BPE":
		if err := json.Unmarshal(data, (*plain)(m)); err != nil {
			return err
		}
	case "Unigram":
		var list struct {
			*plain
			Vocab scoreList `json:"vocab"`
		}
		list.plain = (*plain)(m)
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		m.scores, m.Vocab = list.Vocab, map[string]int32{}
		for _, token := range m.scores {
			m.Vocab[token.text] = token.id
		}
	default:
		return fmt.Errorf("%w: model %q (BPE and Unigram are implemented)", ErrUnsupported, head.Type)
	}
	m.Type = head.Type
	return nil
}

// merge is one rule "left right" → "leftright".
type merge [2]string

// mergeList is written as such strings or, since tokenizers 0.20, as pairs.
type mergeList []merge

func (l *mergeList) UnmarshalJSON(data []byte) error {
	inner := bytes.TrimSpace(data)
	if len(inner) > 0 {
		inner = bytes.TrimSpace(inner[1:])
	}
	if len(inner) > 0 && inner[0] == '[' {
		var pairs [][]string
		if err := json.Unmarshal(data, &pairs); err != nil {
			return err
		}
		*l = make(mergeList, len(pairs))
		for i, pair := range pairs {
			if len(pair) != 2 {
				return fmt.Errorf("%w: merge %d has %d parts, not 2", ErrFormat, i, len(pair))
			}
			(*l)[i] = merge{pair[0], pair[1]}
		}
		return nil
	}
	var texts []string
	if err := json.Unmarshal(data, &texts); err != nil {
		return err
	}
	*l = make(mergeList, len(texts))
	for i, text := range texts {
		if err := (*l)[i].parse(text); err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) parse(text string) error {
	left, right, ok := strings.Cut(text, " ")
	if !ok || left == "" || right == "" || strings.Contains(right, " ") {
		return fmt.Errorf("%w: merge %q is not two parts with one space between", ErrFormat, text)
	}
	*m = merge{left, right}
	return nil
}

type node struct {
	Type string `json:"type"`

	Normalizers   []node `json:"normalizers,omitempty"`
	PreTokenizers []node `json:"pretokenizers,omitempty"`
	Decoders      []node `json:"decoders,omitempty"`
	Processors    []node `json:"processors,omitempty"`

	Pattern  *pattern `json:"pattern,omitempty"`
	Content  *string  `json:"content,omitempty"`
	Behavior string   `json:"behavior,omitempty"`
	Invert   *bool    `json:"invert,omitempty"`

	Prepend          string  `json:"prepend,omitempty"`
	StripLeft        bool    `json:"strip_left,omitempty"`
	StripRight       bool    `json:"strip_right,omitempty"`
	Start            *int    `json:"start,omitempty"`
	Stop             *int    `json:"stop,omitempty"`
	IndividualDigits bool    `json:"individual_digits,omitempty"`
	Replacement      string  `json:"replacement,omitempty"`
	PrependScheme    string  `json:"prepend_scheme,omitempty"`
	Split            *bool   `json:"split,omitempty"`
	AddPrefixSpace   *bool   `json:"add_prefix_space,omitempty"`
	TrimOffsets      *bool   `json:"trim_offsets,omitempty"`
	UseRegex         *bool   `json:"use_regex,omitempty"`
	Delimiter        string  `json:"delimiter,omitempty"`
	CharsMap         []byte  `json:"precompiled_charsmap,omitempty"`
	Single           []piece `json:"single,omitempty"`
	Pair             []piece `json:"pair,omitempty"`

	SpecialTokens map[string]specialToken `json:"special_tokens,omitempty"`
	Cls           *namedID                `json:"cls,omitempty"`
	Sep           *namedID                `json:"sep,omitempty"`
}

// pattern is a literal string or a regular expression, as tokenizers writes either.
type pattern struct {
	String *string `json:"String,omitempty"`
	Regex  *string `json:"Regex,omitempty"`
}

// piece is one element of a post-processor template: the text itself or a special token.
type piece struct {
	SpecialToken *pieceRef `json:"SpecialToken,omitempty"`
	Sequence     *pieceRef `json:"Sequence,omitempty"`
}

type pieceRef struct {
	ID     string `json:"id"`
	TypeID int    `json:"type_id"`
}

type specialToken struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

// namedID is written as ["</s>", 2].
type namedID struct{ id int32 }

func (n *namedID) UnmarshalJSON(data []byte) error {
	var pair [2]json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &n.id)
}

func parseDocument(data []byte) (*document, error) {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, wrapFormat(err)
	}
	return &doc, nil
}

// wrapFormat gives errors of encoding/json the sentinel that this package promises.
func wrapFormat(err error) error {
	for _, known := range []error{ErrUnsupported, ErrFormat} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}

// marshal writes JSON as Python does: no HTML escapes, indented by two.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
