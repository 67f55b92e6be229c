package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// member is one key of a JSON object with its value, unread.
type member struct {
	key  string
	raw  json.RawMessage
	line int // of the key, from 1
}

// lineError is a fault at one line of a file.
type lineError struct {
	line int
	err  error
}

// parseObject splits a file that holds one JSON object. Duplicate keys are faults, which encoding/json would hide.
func parseObject(data []byte) ([]member, []lineError) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	lineAt := func(offset int64) int {
		return 1 + bytes.Count(data[:min(max(int(offset), 0), len(data))], []byte("\n"))
	}

	if !utf8.Valid(data) {
		return nil, []lineError{{1, errors.New("is not UTF-8 text")}}
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		line := 1
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line = lineAt(syntax.Offset - 1)
		}
		return nil, []lineError{{line, fmt.Errorf("is not valid JSON: %w", err)}}
	}

	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') {
		return nil, []lineError{{lineAt(dec.InputOffset()), errors.New("must hold one JSON object")}}
	}
	var members []member
	var bad []lineError
	first := map[string]int{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		m := member{key: key, line: lineAt(dec.InputOffset())}
		if err == nil && ok {
			err = dec.Decode(&m.raw)
		}
		if err != nil { // cannot be: the whole was valid
			return members, append(bad, lineError{m.line, err})
		}
		if line, twice := first[key]; twice {
			bad = append(bad, lineError{m.line, fmt.Errorf("duplicate key %q, first on line %d", key, line)})
			continue
		}
		first[key] = m.line
		members = append(members, m)
	}
	return members, bad
}
