package config

import (
	"errors"
	"flag"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofBoth are the settings of both programs, each once, with the structs they fill.
func ofBoth() (*loader, *Trainer, *Server) {
	trainer, server := new(Trainer), new(Server)
	return newLoader("trainer", Input{}, &trainer.Common, trainer.groups(), server.groups()), trainer, server
}

func TestDeclarations(t *testing.T) {
	l, _, _ := ofBoth()
	keys, flags, envs := map[string]bool{}, map[string]bool{}, map[string]bool{}
	once := func(seen map[string]bool, name string) {
		if name != "" {
			assert.False(t, seen[name], "%s is declared twice", name)
			seen[name] = true
		}
	}
	for _, s := range l.settings {
		once(keys, s.key)
		once(flags, s.flag)
		assert.Regexp(t, `^[a-z][a-z0-9_]*$`, s.key)
		assert.NotEmpty(t, s.help, s.key)
		assert.NotRegexp(t, `\.$`, s.help, s.key)
		assert.Equal(t, s.value.kind == kindBool, s.arg == "" || s.arg == "BOOL", "%s: only a switch takes no value", s.key)
		if s.value.secret {
			assert.Empty(t, s.flag, "%s: other users of the machine see command lines", s.key)
		}
		for _, name := range s.envs {
			once(envs, name)
			assert.Regexp(t, `^[A-Z][A-Z0-9_]*$`, name)
		}
		for _, p := range s.parts {
			once(flags, p.flag)
			once(envs, p.env)
			assert.NotEmpty(t, p.env+p.flag, s.key)
		}
		if initial := s.value.get(); initial != "" && s.value.kind != kindModels {
			assert.NoError(t, s.value.set(initial), "%s: the default keeps its own limits", s.key)
			assert.Equal(t, initial, s.value.get(), "%s: the text form reads back", s.key)
		}
	}
}

// fields lists the leaves of a settings struct with their values.
func fields(prefix string, v reflect.Value, out map[string]any) map[string]any {
	for i := range v.NumField() {
		name, field := prefix+v.Type().Field(i).Name, v.Field(i)
		if field.Kind() == reflect.Struct && field.Type() != reflect.TypeFor[Secret]() && field.Type() != reflect.TypeFor[Registry]() && name != "Recipe" {
			fields(name+".", field, out)
		} else {
			out[name] = fmt.Sprint(field.Interface())
			if s, ok := field.Interface().(Secret); ok {
				out[name] = s.Reveal()
			}
		}
	}
	return out
}

// TestEveryFieldHasOneSetting sets each setting in turn and looks at what changed.
func TestEveryFieldHasOneSetting(t *testing.T) {
	l, trainer, server := ofBoth()
	serverOnly := func() map[string]any {
		all := fields("", reflect.ValueOf(*server), map[string]any{})
		for name := range all {
			if strings.HasPrefix(name, "Common.") { // filled through the trainer here
				delete(all, name)
			}
		}
		return all
	}
	snapshot := func() map[string]any {
		all := fields("", reflect.ValueOf(*trainer), serverOnly())
		all["boot"] = fmt.Sprint(l.boot)
		return all
	}
	owner := map[string]string{}
	for _, s := range l.settings {
		before := snapshot()
		for _, text := range slices.Concat(strings.Split(s.value.hint, ", "), []string{"true", "false", "0.25", "7", "4096", "9s", "file:elsewhere", "/elsewhere", "xla:cpu", "a,b", "h:1"}) {
			if s.value.set(text) == nil && !reflect.DeepEqual(before, snapshot()) {
				break
			}
		}
		var changed []string
		for name, value := range snapshot() {
			if before[name] != value {
				changed = append(changed, name)
			}
		}
		require.Len(t, changed, 1, "%s changes one field", s.key)
		if name := changed[0]; name != "boot" {
			assert.Empty(t, owner[name], "%s is set by %s and %s", name, owner[name], s.key)
			owner[name] = s.key
		}
	}
	derived := []string{"FactsOptional", "PromoteAsked", "Recipe", "boot"}
	for name := range snapshot() {
		if !slices.Contains(derived, name) {
			assert.NotEmpty(t, owner[name], "no setting fills %s", name)
		}
	}
}

func TestEveryNameWorks(t *testing.T) {
	own, _, _ := ofBoth()
	for _, s := range own.settings {
		if s.foreign || s.key == "config" || s.key == "profile" || s.key == "env" {
			continue
		}
		text := s.value.get()
		if text == "" {
			text = "x"
		}
		for _, name := range s.envs {
			if slices.Contains([]string{"mlflow_username", "mlflow_password", "questions_url", "questions_model"}, s.key) {
				continue // only together
			}
			_, explain, err := LoadTrainer(Input{Environ: []string{name + "=" + text}, Args: []string{"-docs", "d"}})
			require.NoError(t, err, name)
			if s.key != "docs" { // covered by the flag
				assert.Contains(t, entry(t, explain, s.key).Origin, "environment ("+name+")")
			}
		}
		if strings.HasPrefix(s.key, "questions_") {
			continue
		}
		if s.flag != "" {
			_, explain, err := LoadTrainer(Input{Environ: []string{"PDF_DIR=d"}, Args: []string{"-" + s.flag + "=" + text}})
			require.NoError(t, err, s.flag)
			assert.Contains(t, entry(t, explain, s.key).Origin, "-"+s.flag)
		}
		if s.inJSON() {
			_, explain, err := LoadTrainer(Input{Folder: files("base.json", fmt.Sprintf("{%q: %s}", s.key, jsonText(t, s))), Environ: []string{"PDF_DIR=d"}})
			require.NoError(t, err, s.key)
			if s.key != "docs" {
				assert.Contains(t, entry(t, explain, s.key).Origin, "base.json:1")
			}
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	own, _, _ := ofBoth()
	for program, page := range map[string]string{"trainer": TrainerHelp(), "server": ServerHelp()} {
		for line := range strings.Lines(page) {
			assert.LessOrEqual(t, len([]rune(line)), 121, line)
		}
		word := func(name string) bool {
			return regexp.MustCompile(`(^|[^A-Za-z0-9_-])` + regexp.QuoteMeta(name) + `([^A-Za-z0-9_-]|$)`).MatchString(page)
		}
		for _, s := range own.settings {
			shared := !s.foreign && !slices.ContainsFunc(new(Trainer).groups(), func(g group) bool {
				return slices.ContainsFunc(g.settings, func(other *setting) bool { return other.key == s.key })
			})
			if shared || s.foreign == (program == "server") {
				for _, name := range append(s.envs, s.key) {
					if name != s.key || s.inJSON() {
						assert.True(t, word(name), "%s -h does not name %s", program, name)
					}
				}
				assert.True(t, s.flag == "" || word("-"+s.flag), "%s -h does not name -%s", program, s.flag)
			}
		}
		_, _, err := LoadTrainer(Input{Args: []string{"-h"}})
		require.True(t, errors.Is(err, flag.ErrHelp))
	}
}
