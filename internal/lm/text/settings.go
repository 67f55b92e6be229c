package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

const (
	tokenizerFile = "tokenizer.json"
	configFile    = "tokenizer_config.json"
	specialFile   = "special_tokens_map.json"
	templateFile  = "chat_template.jinja"
	templateGlob  = "additional_chat_templates/*.jinja"
	toolTemplate  = "tool_use" // the name of the template for conversations with tools
	toolFile      = "additional_chat_templates/" + toolTemplate + ".jinja"
)

// settings is what the files beside tokenizer.json say.
type settings struct {
	special      map[string]string // "bos_token" → "<s>": the names that chat templates see
	addBOS       *bool
	chatTemplate string
	toolTemplate string       // for conversations with tools; "": the same
	added        []addedToken // added_tokens_decoder, by id
	bosID        maybeID
	eosID        maybeID
	padID        maybeID
}

type maybeID struct {
	id int32
	ok bool
}

func (m maybeID) get() (int32, bool) { return m.id, m.ok }

var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// readSettings reads the optional files and returns them also as they are, for WriteFiles. As in transformers,
// special_tokens_map.json counts only beside a configuration that does not list its tokens, and then it wins.
func readSettings(fsys fs.FS) (settings, map[string][]byte, error) {
	set := settings{special: map[string]string{}}
	files := map[string][]byte{}
	for _, name := range []string{configFile, specialFile, templateFile} {
		data, err := fs.ReadFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return set, nil, fmt.Errorf("read tokenizer settings: %w", err)
		}
		files[name] = data
		switch name {
		case configFile:
			err = set.readConfig(data)
		case specialFile:
			if set.added == nil {
				_, err = set.readSpecial(data)
			}
		case templateFile: // newer than those in the configuration, where there are both
			set.chatTemplate, set.toolTemplate = string(data), ""
		}
		if err != nil {
			return set, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	more, _ := fs.Glob(fsys, templateGlob) // the pattern is well formed
	for _, name := range more {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return set, nil, fmt.Errorf("read tokenizer settings: %w", err)
		}
		if files[name] = data; name == toolFile {
			set.toolTemplate = string(data)
		}
	}
	return set, files, nil
}

// readSpecial reads the named special tokens of an object, and returns all its fields.
func (s *settings) readSpecial(data []byte) (fields map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for _, name := range specialNames {
		value, ok := fields[name]
		if !ok {
			continue
		}
		text, err := tokenText(value)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrFormat, name, err)
		}
		if text == "" {
			delete(s.special, name)
			continue
		}
		s.special[name] = text
	}
	return fields, nil
}

func (s *settings) readConfig(data []byte) error {
	fields, err := s.readSpecial(data)
	if err != nil {
		return err
	}
	if raw, ok := fields["add_bos_token"]; ok {
		if err := json.Unmarshal(raw, &s.addBOS); err != nil {
			return fmt.Errorf("%w: add_bos_token: %w", ErrFormat, err)
		}
	}
	if raw, ok := fields["added_tokens_decoder"]; ok {
		var byID map[int32]addedToken
		if err := json.Unmarshal(raw, &byID); err != nil {
			return fmt.Errorf("%w: added_tokens_decoder: %w", ErrFormat, err)
		}
		s.added = []addedToken{}
		for _, id := range slices.Sorted(maps.Keys(byID)) {
			token := byID[id]
			token.ID = id
			s.added = append(s.added, token)
		}
	}
	return s.readTemplate(fields["chat_template"])
}

// tokenText reads a token written as a string or as an object with its content; null is "".
func tokenText(raw json.RawMessage) (string, error) {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		var object struct {
			Content string `json:"content"`
		}
		err := json.Unmarshal(raw, &object)
		return object.Content, err
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return "", err
	}
	return *text, nil
}

// readTemplate reads chat_template: a string, or a list of named templates, of which "default" and "tool_use" are ours.
func (s *settings) readTemplate(raw json.RawMessage) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if raw[0] != '[' {
		if err := json.Unmarshal(raw, &s.chatTemplate); err != nil {
			return fmt.Errorf("%w: chat_template: %w", ErrFormat, err)
		}
		return nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%w: chat_template: %w", ErrFormat, err)
	}
	for _, t := range list {
		if t.Name == "default" || len(list) == 1 {
			s.chatTemplate = t.Template
		} else if t.Name == toolTemplate {
			s.toolTemplate = t.Template
		}
	}
	if len(list) > 0 && s.chatTemplate == "" {
		return fmt.Errorf("%w: chat_template lists %d templates and none is named default", ErrFormat, len(list))
	}
	return nil
}

// resolve looks up the ids of the named special tokens, and follows add_bos_token where tokenizer.json has no
// post-processor that says what stands around a text.
func (t *Tokenizer) resolve() error {
	for name, into := range map[string]*maybeID{
		"bos_token": &t.settings.bosID, "eos_token": &t.settings.eosID, "pad_token": &t.settings.padID,
	} {
		text, named := t.settings.special[name]
		id, known := t.ids[text]
		if named && !known && name != "pad_token" { // padding is the only one that works without the model knowing it
			return fmt.Errorf("%w: %s %q is not in the vocabulary", ErrFormat, name, text)
		}
		*into = maybeID{id, named && known}
	}
	if bos, ok := t.BOS(); ok && t.prefix == nil && t.suffix == nil && t.settings.addBOS != nil && *t.settings.addBOS {
		t.prefix = []int32{bos}
	}
	return nil
}
