package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ModelRef is one model to serve.
type ModelRef struct {
	Ref  string `json:"ref"`            // models:/name/Production, a folder, a .gguf file, or a Hub id
	Name string `json:"name,omitempty"` // its id in the API; "" = see ID
}

// ID is the id under which clients ask for the model: Name, else the registered name, the file's or folder's name, or
// the Hub's owner/name.
func (m ModelRef) ID() string {
	if m.Name != "" {
		return m.Name
	}
	if rest, ok := strings.CutPrefix(m.Ref, "models:/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		name, _, _ = strings.Cut(name, "@")
		return name
	}
	ref, hub := strings.CutPrefix(m.Ref, "hf:")
	for _, scheme := range []string{"dir:", "gguf:"} {
		ref = strings.TrimPrefix(ref, scheme)
	}
	ref = strings.ReplaceAll(ref, `\`, "/")
	if isFile := ref != m.Ref || strings.HasSuffix(ref, ".gguf") || strings.HasPrefix(ref, ".") || strings.HasPrefix(ref, "/"); isFile && !hub {
		return strings.TrimSuffix(path.Base(ref), ".gguf")
	}
	ref, _, _ = strings.Cut(ref, "@")
	return ref
}

// String returns the reference, with the name if there is one.
func (m ModelRef) String() string {
	switch {
	case m.Name == "":
		return m.Ref
	case m.Ref == "":
		return "as " + m.Name // the reference follows from model_source
	}
	return m.Ref + " as " + m.Name
}

func models(field *[]ModelRef) value {
	one := func(text string) ([]ModelRef, error) {
		if text == "" {
			return nil, errors.New("must not be empty")
		}
		return []ModelRef{{Ref: text}}, nil
	}
	return value{
		kind: kindModels,
		get: func() string {
			texts := make([]string, len(*field))
			for i, m := range *field {
				texts[i] = m.String()
			}
			return strings.Join(texts, ", ")
		},
		set: func(text string) error {
			m, err := one(text)
			if err == nil {
				*field = m
			}
			return err
		},
		add: func(text string) error {
			m, err := one(text)
			*field = append(*field, m...)
			return err
		},
		json: func(raw json.RawMessage) error {
			parsed, err := parseModels(raw)
			if err == nil {
				*field = parsed
			}
			return err
		},
	}
}

func parseModels(raw json.RawMessage) ([]ModelRef, error) {
	var items []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
		return nil, fmt.Errorf("must be %s", kindModels)
	}
	var out []ModelRef
	for i, item := range items {
		members, bad := parseObject(item)
		if len(bad) > 0 {
			return nil, fmt.Errorf("item %d: %w; it must be {\"ref\": …, \"name\": …}", i+1, bad[0].err)
		}
		var m ModelRef
		for _, member := range members {
			field := map[string]*string{"ref": &m.Ref, "name": &m.Name}[member.key]
			if field == nil {
				return nil, fmt.Errorf("item %d: unknown key %q: only ref and name are known", i+1, member.key)
			}
			if member.raw[0] != '"' || json.Unmarshal(member.raw, field) != nil {
				return nil, fmt.Errorf("item %d: %s must be a string", i+1, member.key)
			}
		}
		if m.Ref == "" {
			return nil, fmt.Errorf("item %d: ref is missing", i+1)
		}
		out = append(out, m)
	}
	return out, nil
}

// nameModel is the set function of -model-name and MODEL_NAME.
func nameModel(field *[]ModelRef) func(string, bool) error {
	return func(name string, following bool) error {
		list := *field
		switch {
		case name == "":
			return errors.New("must not be empty")
		case len(list) == 0: // the model that model_source names
			*field = []ModelRef{{Name: name}}
			return nil
		case following && list[len(list)-1].Name != "":
			return fmt.Errorf("the model before it is already called %q", list[len(list)-1].Name)
		case !following && len(list) > 1:
			return errors.New("several models are configured: give the name after its -model, or in the JSON file")
		}
		renamed := slices.Clone(list)
		renamed[len(renamed)-1].Name = name
		*field = renamed
		return nil
	}
}
