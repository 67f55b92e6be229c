package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// setting is one thing that can be configured.
type setting struct {
	key   string   // JSON key, and the name in messages and listings
	flag  string   // without the dash; "" = no flag
	envs  []string // environment names, the preferred one first
	arg   string   // what stands for the value in help; "" = a switch
	help  string   // one sentence, lower case, no full stop
	value value
	parts []part // names that set a piece of the value

	noJSON, noDotenv bool // cannot stand in a JSON file, in a .env file

	foreign bool     // belongs to the other program: known and checked in files, ignored in the environment
	from    []origin // where the value came from; empty = default; several when parts were set on top
	derived string   // how the program worked the value out, if it did
}

// declared are the settings that the fields of a struct declare by their tags, but for those of structs embedded in it:
//
//	set      "chunk_size -chunk-size=N CHUNK_SIZE": JSON key, flag, environment names. What stands for the value in help
//	         follows the flag or, where there is none, the environment name; DIR, FILE and PATH make a path
//	group    title of the group that begins here
//	default  what the field holds before, when it is left out
//	must     limits of a number, "> 0, <= 1"; one: the choices of a text; parse: a function of parsers
//	not      "json": cannot stand in a JSON file; "files": nor in a .env file, since it decides which file is read, or is
//	         asked of one run alone
//	help     one sentence, lower case, no full stop
func declared(settings any) []group {
	var groups []group
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			field, tag := v.Type().Field(i), v.Type().Field(i).Tag
			names, ok := tag.Lookup("set")
			if !ok {
				if field.Type.Kind() == reflect.Struct && !field.Anonymous {
					walk(v.Field(i))
				}
				continue
			}
			s := &setting{help: tag.Get("help"), noJSON: tag.Get("not") != "", noDotenv: tag.Get("not") == "files"}
			words := strings.Fields(names)
			s.key = words[0]
			for _, word := range words[1:] {
				name, arg, _ := strings.Cut(word, "=")
				s.arg += arg
				if flag, ok := strings.CutPrefix(name, "-"); ok {
					s.flag = flag
				} else {
					s.envs = append(s.envs, name)
				}
			}
			s.value = valueOf(v.Field(i).Addr().Interface(), tag)
			if path, ok := v.Field(i).Addr().Interface().(*string); ok && slices.Contains([]string{"DIR", "FILE", "PATH"}, s.arg) {
				s.value.path = path
			}
			if title := tag.Get("group"); title != "" {
				groups = append(groups, group{title: title})
			}
			last := &groups[len(groups)-1]
			last.settings = append(last.settings, s)
		}
	}
	walk(reflect.ValueOf(settings).Elem())
	return groups
}

// part is a name that changes a piece of a setting's value, such as PORT in an address.
type part struct {
	flag, env, arg, help string

	// set changes the value; following says that the whole value was given before it in the same layer.
	set func(text string, following bool) error
}

// group is a heading of the help page with its settings.
type group struct {
	title    string
	settings []*setting
}

// find is the setting of a key, which must be there.
func find(groups []group, key string) *setting {
	for _, g := range groups {
		for _, s := range g.settings {
			if s.key == key {
				return s
			}
		}
	}
	panic("no setting " + key)
}

func (s *setting) inJSON() bool { return !s.value.secret && !s.noJSON }

// layer is the layer that the value came from.
func (s *setting) layer() layer {
	if len(s.from) == 0 {
		return layerDefault
	}
	return s.from[len(s.from)-1].layer
}

// origin says where the value came from.
func (s *setting) origin() string {
	texts := make([]string, 0, len(s.from)+1)
	for i := len(s.from) - 1; i >= 0; i-- {
		texts = append(texts, s.from[i].String())
	}
	if len(texts) == 0 || s.from[0].partial {
		texts = append(texts, layerDefault.String())
	}
	text := strings.Join(texts, ", over ")
	if s.derived != "" {
		text += "; " + s.derived
	}
	return text
}

// shown is the value as a listing may show it.
func (s *setting) shown() string {
	if s.value.secret && s.value.get() != "" {
		return mask
	}
	return plain(s.value.get())
}

// quoted shows a given value in a message, unless it is secret.
func (s *setting) quoted(given string) string {
	if s.value.secret {
		return ""
	}
	if s.value.hide != nil {
		given = s.value.hide(given)
	}
	return quoted(given)
}

// quotedJSON is quoted for a value of a JSON file, which has its own quotes.
func (s *setting) quotedJSON(raw json.RawMessage) string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil || s.value.secret {
		return ""
	}
	given := compact.String()
	if s.value.hide != nil {
		given = s.value.hide(given)
	}
	return cut(given)
}

// howTo names every way to set s, for messages that ask for it.
func (s *setting) howTo() string {
	var ways []string
	if s.flag != "" {
		ways = append(ways, strings.TrimSpace("-"+s.flag+" "+s.arg))
	}
	ways = append(ways, s.envs...)
	if s.inJSON() {
		ways = append(ways, fmt.Sprintf("%q in JSON", s.key))
	}
	return strings.Join(ways, " or ")
}

// layer orders the places a value can come from: a later one covers an earlier one.
type layer int

const (
	layerDefault layer = iota
	layerBase
	layerEnvironment // development.json or production.json
	layerDotenv
	layerProcess
	layerFlags
)

func (l layer) String() string {
	return [...]string{"default", "base JSON", "environment JSON", ".env file", "environment", "flags"}[l]
}

// origin is the place that one value came from.
type origin struct {
	layer layer
	file  string // of the file layers
	line  int    // counts from 1
	name  string // environment name or flag

	partial bool // set only a part of the value
}

func (o origin) String() string {
	switch o.layer {
	case layerBase, layerEnvironment:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	case layerDotenv:
		return fmt.Sprintf("%s:%d (%s)", o.file, o.line, o.name)
	case layerProcess:
		return fmt.Sprintf("environment (%s)", o.name)
	case layerFlags:
		return "-" + o.name
	}
	return o.layer.String()
}
