package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// variable is one line of a .env file.
type variable struct {
	name, value string
	line        int // from 1
}

// parseDotenv reads the text of a .env file: NAME=value lines, # comments, an optional "export", 'literal' and "escaped"
// values. A value never spans lines. ${NAME} is refused, not expanded and not taken as it is, since tools disagree on it.
// Messages never quote a value: it may be a secret.
func parseDotenv(data []byte) ([]variable, []lineError) {
	var vars []variable
	var bad []lineError
	first := map[string]int{}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	number := 0
	for raw := range bytes.Lines(data) {
		number++
		line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
		name, value, err := parseDotenvLine(line)
		switch {
		case err != nil:
			bad = append(bad, lineError{number, err})
		case name == "": // blank or comment
		case first[name] != 0:
			bad = append(bad, lineError{number, fmt.Errorf("%s is set twice, first on line %d", name, first[name])})
		default:
			first[name] = number
			vars = append(vars, variable{name, value, number})
		}
	}
	return vars, bad
}

func parseDotenvLine(line string) (name, value string, err error) {
	if !utf8.ValidString(line) || strings.ContainsAny(line, "\x00\r") {
		return "", "", errors.New("is not UTF-8 text of one line (NUL, stray carriage return or bad bytes)")
	}
	line = strings.Trim(line, " \t")
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	if rest, ok := strings.CutPrefix(line, "export"); ok && strings.IndexAny(rest, " \t") == 0 {
		line = strings.TrimLeft(rest, " \t")
	}
	name, rest, ok := strings.Cut(line, "=")
	name = strings.TrimRight(name, " \t")
	if !ok || !isEnvName(name) {
		return "", "", errors.New("must be NAME=value, a comment or blank")
	}
	if value, err = parseDotenvValue(rest); err != nil {
		return "", "", fmt.Errorf("%s: %w", name, err)
	}
	return name, value, nil
}

// parseDotenvValue reads what follows the equals sign.
func parseDotenvValue(rest string) (string, error) {
	trimmed := strings.TrimLeft(rest, " \t")
	if trimmed == "" {
		return "", nil
	}
	switch quote := trimmed[0]; quote {
	case '\'', '"':
		value, tail, err := unquote(trimmed[1:], quote)
		if tail = strings.TrimLeft(tail, " \t"); err == nil && tail != "" && tail[0] != '#' {
			err = errors.New("text after the closing quote")
		}
		return value, err
	}
	value := rest
	for i := 1; i < len(rest); i++ { // a # in the middle of a word is part of it
		if rest[i] == '#' && (rest[i-1] == ' ' || rest[i-1] == '\t') {
			value = rest[:i]
			break
		}
	}
	if strings.Contains(value, "${") {
		return "", errNoExpansion
	}
	return strings.Trim(value, " \t"), nil
}

var errNoExpansion = errors.New("${NAME} is not expanded: write the value out, or put it in single quotes to mean it as it stands")

// unquote reads up to the closing quote; only double quotes know escapes.
func unquote(s string, quote byte) (value, tail string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			return b.String(), s[i+1:], nil
		case c == '\\' && quote == '"':
			if i++; i == len(s) {
				return "", "", errors.New("the closing quote is missing")
			}
			plain, ok := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', '\\': '\\', '"': '"', '$': '$'}[s[i]]
			if !ok {
				return "", "", errors.New(`only \n \r \t \\ \" \$ may follow a backslash in double quotes`)
			}
			b.WriteByte(plain)
		case c == '$' && quote == '"' && strings.HasPrefix(s[i:], "${"):
			return "", "", errNoExpansion
		default:
			b.WriteByte(c)
		}
	}
	return "", "", errors.New("the closing quote is missing")
}

func isEnvName(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
