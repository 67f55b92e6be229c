package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value reads and prints one field of a settings struct.
type value struct {
	kind string                      // what JSON must hold: one of the kinds
	set  func(text string) error     // from a flag or the environment; checks limits, changes nothing when it fails
	add  func(text string) error     // a further use of the same flag; nil = it replaces
	json func(json.RawMessage) error // nil = by kind, through set
	get  func() string               // the text that set reads
	path *string                     // the field, if it is a path in which ~ stands for the home folder
	hint string                      // the choices, for help
	hide func(text string) string    // masks what a given text may carry; nil = it may be shown

	secret bool // masked everywhere; has no flag (others see command lines) and no JSON key (files are shared)
}

const (
	kindString = "a string"
	kindNumber = "a number"
	kindBool   = "true or false"
	kindList   = "a list of strings"
	kindModels = `a list of {"ref": …, "name": …}`
)

// valueOf is the value of a field, by its type and the limits in its tag, with the default in place.
func valueOf(field any, tag reflect.StructTag) (v value) {
	limits := tag.Get("must")
	switch p := field.(type) {
	case *string:
		parse, choices := parsers[tag.Get("parse")], tag.Get("one")
		if choices != "" {
			parse = func(s string) (string, error) { return s, oneOf(s, strings.Split(choices, ", ")) }
		}
		v = scalar(p, kindString, parse, func(s string) string { return s })
		v.hint = choices
	case *int:
		v = scalar(p, kindNumber, limited(limits, func(s string) (int, error) { return strconv.Atoi(s) }, "must be a whole number"), strconv.Itoa)
	case *uint64:
		parse := func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
		v = scalar(p, kindNumber, told(parse, "must be a whole number from 0 to 2^64-1"), func(n uint64) string { return strconv.FormatUint(n, 10) })
	case *float64:
		v = scalar(p, kindNumber, limited(limits, parseNumber, "must be a number"), func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) })
	case *time.Duration:
		v = scalar(p, kindString, limited(limits, time.ParseDuration, `must be a time such as "10s" or "2m"`), shortDuration)
	case *bool:
		v = scalar(p, kindBool, parseBool, strconv.FormatBool)
	case *slog.Level:
		v = scalar(p, kindString, parseLevel, func(l slog.Level) string { return strings.ToLower(l.String()) })
		v.hint = "debug, info, warn, error"
	case *Secret:
		v = scalar(p, kindString, func(s string) (Secret, error) { return NewSecret(s), nil }, Secret.Reveal)
		v.secret = true
	case *Registry:
		v = registry(p)
	case *[]string:
		v = list(p, tag.Get("default") == "")
	case *[]ModelRef:
		v = models(p)
	default:
		panic(fmt.Sprintf("no settings of type %T", field))
	}
	if initial := tag.Get("default"); initial != "" {
		if err := v.set(initial); err != nil {
			panic(fmt.Sprintf("%s: default %s: %v", tag.Get("set"), initial, err))
		}
	}
	return v
}

// parsers check and tidy texts.
var parsers = map[string]func(string) (string, error){
	"":         func(s string) (string, error) { return s, nil },
	"required": required, "backend": parseBackend, "name": parseModelName, "listen": parseListen, "hosts": parseHosts, "prefix": parsePrefix,
}

// scalar is a value of one word.
func scalar[T any](field *T, kind string, parse func(string) (T, error), format func(T) string) value {
	return value{
		kind: kind,
		get:  func() string { return format(*field) },
		set: func(text string) error {
			v, err := parse(text)
			if err == nil {
				*field = v
			}
			return err
		},
	}
}

// told replaces the error of a parser.
func told[T any](parse func(string) (T, error), fault string) func(string) (T, error) {
	return func(s string) (T, error) {
		v, err := parse(s)
		if err != nil {
			err = errors.New(fault)
		}
		return v, err
	}
}

// limited adds limits to a parser, such as "> 0, <= 1".
func limited[T int | float64 | time.Duration](limits string, parse func(string) (T, error), fault string) func(string) (T, error) {
	parse = told(parse, fault)
	return func(s string) (T, error) {
		v, err := parse(s)
		if limits == "" || err != nil {
			return v, err
		}
		for limit := range strings.SplitSeq(limits, ", ") {
			op, text, _ := strings.Cut(limit, " ")
			bound, err := parse(text)
			if err != nil {
				return v, err
			}
			if !map[string]bool{">": v > bound, ">=": v >= bound, "<": v < bound, "<=": v <= bound}[op] {
				return v, errors.New("must be " + limit)
			}
		}
		return v, nil
	}
}

func oneOf(s string, options []string) error {
	if slices.Contains(options, s) {
		return nil
	}
	return fmt.Errorf("must be one of %s%s", strings.Join(options, ", "), didYouMean(s, options))
}

// required refuses the empty string.
func required(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("must not be empty")
	}
	return s, nil
}

func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = strconv.ErrRange
	}
	return v, err
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// shortDuration prints 1m, not 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseLevel takes slog's names and those of Python's logging, in any case.
func parseLevel(s string) (slog.Level, error) {
	names := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn,
		"error": slog.LevelError, "critical": slog.LevelError,
	}
	if v, ok := names[strings.ToLower(s)]; ok {
		return v, nil
	}
	return 0, errors.New("must be one of debug, info, warn, error")
}

// list is a comma-separated list, whose flag may also be repeated; JSON has an array. It may be empty where it is by default.
func list(field *[]string, empty bool) value {
	store := func(before []string, s string) error {
		var items []string
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item == "" && (s != "" || !empty) {
				return errors.New("must not be empty nor have an empty item")
			}
			items = append(items, item)
		}
		if s == "" {
			items = nil
		}
		*field = append(slices.Clip(before), items...)
		return nil
	}
	return value{
		kind: kindList,
		get:  func() string { return strings.Join(*field, ",") },
		set:  func(s string) error { return store(nil, s) },
		add:  func(s string) error { return store(*field, s) },
	}
}

// setJSON takes a value of a JSON file. Types are strict: "8" is not 8.
func (v value) setJSON(raw json.RawMessage) error {
	if v.json != nil {
		return v.json(raw)
	}
	mistyped := fmt.Errorf("must be %s", v.kind)
	switch c := raw[0]; v.kind {
	case kindString:
		var s string
		if c != '"' || json.Unmarshal(raw, &s) != nil {
			return mistyped
		}
		return v.set(s)
	case kindBool:
		if c != 't' && c != 'f' {
			return mistyped
		}
		return v.set(string(raw))
	case kindNumber:
		if c != '-' && (c < '0' || c > '9') {
			return mistyped
		}
		return v.set(string(raw))
	case kindList:
		var items []*string // pointers tell null from ""
		if c != '[' || json.Unmarshal(raw, &items) != nil || slices.Contains(items, nil) {
			return mistyped
		}
		joined := make([]string, len(items))
		for i, item := range items {
			if strings.Contains(*item, ",") {
				return errors.New("must not have a comma inside an item")
			}
			joined[i] = *item
		}
		return v.set(strings.Join(joined, ","))
	}
	return mistyped
}

// expandHome replaces a leading ~ in path values, since only shells do that for flags.
func (v value) expandHome(home string) {
	if v.path == nil || home == "" {
		return
	}
	if rest, ok := strings.CutPrefix(*v.path, "~"); ok && (rest == "" || rest[0] == '/' || rest[0] == filepath.Separator) {
		*v.path = filepath.Join(home, rest)
	}
}
