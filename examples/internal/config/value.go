package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value reads and prints one field of a settings struct. The constructors below store the default in the field.
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

// rule is a limit on a value.
type rule[T any] struct {
	ok   func(T) bool
	text string // what the value must be
}

type ordered interface{ int | float64 | time.Duration }

func above[T ordered](limit T) rule[T] {
	return rule[T]{func(v T) bool { return v > limit }, fmt.Sprintf("must be > %v", limit)}
}

func atLeast[T ordered](limit T) rule[T] {
	return rule[T]{func(v T) bool { return v >= limit }, fmt.Sprintf("must be >= %v", limit)}
}

func atMost[T ordered](limit T) rule[T] {
	return rule[T]{func(v T) bool { return v <= limit }, fmt.Sprintf("must be <= %v", limit)}
}

func below[T ordered](limit T) rule[T] {
	return rule[T]{func(v T) bool { return v < limit }, fmt.Sprintf("must be < %v", limit)}
}

// scalar is a value of one word: parse, then the rules, then store.
func scalar[T any](field *T, initial T, kind string, parse func(string) (T, error), format func(T) string, rules ...rule[T]) value {
	*field = initial
	return value{
		kind: kind,
		get:  func() string { return format(*field) },
		set: func(text string) error {
			v, err := parse(text)
			if err != nil {
				return err
			}
			for _, r := range rules {
				if !r.ok(v) {
					return errors.New(r.text)
				}
			}
			*field = v
			return nil
		},
	}
}

func same(s string) string { return s }

// text is a string; parse may refuse it or tidy it, nil takes everything.
func text(field *string, initial string, parse func(string) (string, error)) value {
	if parse == nil {
		parse = func(s string) (string, error) { return s, nil }
	}
	return scalar(field, initial, kindString, parse, same)
}

// required refuses the empty string.
func required(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("must not be empty")
	}
	return s, nil
}

func filePath(field *string, initial string) value {
	v := text(field, initial, nil)
	v.path = field
	return v
}

func choice(field *string, initial string, options ...string) value {
	v := text(field, initial, func(s string) (string, error) {
		if slices.Contains(options, s) {
			return s, nil
		}
		return "", fmt.Errorf("must be one of %s%s", strings.Join(options, ", "), didYouMean(s, options))
	})
	v.hint = strings.Join(options, ", ")
	return v
}

func whole(field *int, initial int, rules ...rule[int]) value {
	parse := func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil {
			return 0, errors.New("must be a whole number")
		}
		return v, nil
	}
	return scalar(field, initial, kindNumber, parse, strconv.Itoa, rules...)
}

// seed is a whole number of 64 bits, not negative.
func seed(field *uint64, initial uint64) value {
	parse := func(s string) (uint64, error) {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return 0, errors.New("must be a whole number from 0 to 2^64-1")
		}
		return v, nil
	}
	return scalar(field, initial, kindNumber, parse, func(v uint64) string { return strconv.FormatUint(v, 10) })
}

func number(field *float64, initial float64, rules ...rule[float64]) value {
	parse := func(s string) (float64, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, errors.New("must be a number")
		}
		return v, nil
	}
	return scalar(field, initial, kindNumber, parse, func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }, rules...)
}

func toggle(field *bool, initial bool) value {
	parse := func(s string) (bool, error) {
		switch strings.ToLower(s) {
		case "true", "1", "yes", "on":
			return true, nil
		case "false", "0", "no", "off":
			return false, nil
		}
		return false, errors.New("must be true or false")
	}
	return scalar(field, initial, kindBool, parse, strconv.FormatBool)
}

func duration(field *time.Duration, initial time.Duration, rules ...rule[time.Duration]) value {
	parse := func(s string) (time.Duration, error) {
		v, err := time.ParseDuration(s)
		if err != nil {
			return 0, errors.New(`must be a time such as "10s" or "2m"`)
		}
		return v, nil
	}
	return scalar(field, initial, kindString, parse, shortDuration, rules...)
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

// level takes slog's names and those of Python's logging, in any case.
func level(field *slog.Level, initial slog.Level) value {
	names := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn,
		"error": slog.LevelError, "critical": slog.LevelError,
	}
	parse := func(s string) (slog.Level, error) {
		if v, ok := names[strings.ToLower(s)]; ok {
			return v, nil
		}
		return 0, errors.New("must be one of debug, info, warn, error")
	}
	v := scalar(field, initial, kindString, parse, func(v slog.Level) string { return strings.ToLower(v.String()) })
	v.hint = "debug, info, warn, error"
	return v
}

func hidden(field *Secret) value {
	v := scalar(field, Secret{}, kindString, func(s string) (Secret, error) { return NewSecret(s), nil }, Secret.Reveal)
	v.secret = true
	return v
}

// list is a comma-separated list, whose flag may also be repeated; JSON has an array.
func list(field *[]string, initial ...string) value {
	*field = initial
	parse := func(s string) ([]string, error) {
		var items []string
		if s == "" && len(initial) == 0 { // none, as by default
			return nil, nil
		}
		for item := range strings.SplitSeq(s, ",") {
			if item = strings.TrimSpace(item); item == "" {
				return nil, errors.New("must not be empty nor have an empty item")
			}
			items = append(items, item)
		}
		return items, nil
	}
	store := func(before []string, s string) error {
		items, err := parse(s)
		if err == nil {
			*field = append(slices.Clip(before), items...)
		}
		return err
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
