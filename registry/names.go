package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is in bytes: names become directory names, which most file systems limit to 255.
const maxName = 200

// CheckName checks the name of a model or an experiment: letters, marks and digits of any script, with '.', '_', '-'
// and single spaces inside, up to 200 bytes. What is excluded would not survive a file system, a URI or a reader's
// eye: separators, a leading dot, invisible characters, accents written as separate characters, devices of Windows.
func CheckName(name string) error {
	reason, hint := nameFault(name)
	if reason == "" {
		return nil
	}
	if hint == "" {
		hint = "use letters, digits, '.', '_', '-' and single spaces inside, up to 200 bytes"
	}
	return &Error{Name: name, Err: fmt.Errorf("%w: %s", ErrInvalid, reason), Hint: hint}
}

func nameFault(name string) (reason, hint string) {
	switch {
	case name == "":
		return "the name is empty", ""
	case len(name) > maxName:
		return fmt.Sprintf("the name has %d bytes", len(name)), "use at most 200"
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8", ""
	case name[0] == '.' || name[0] == '-':
		return "the name begins with " + string(name[0]), "begin with a letter or digit"
	case name[len(name)-1] == '.':
		return "the name ends with a dot", "end with a letter or digit"
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " ") || strings.Contains(name, "  "):
		return "spaces around or doubled in the name", ""
	case strings.Contains(name, ".."):
		return "'..' in the name", "use a single dot"
	case device.MatchString(name):
		return "the name of a device on Windows", "choose another name"
	}
	for i, r := range name {
		switch {
		// Joined with its letter into one character it would be another name that looks the same.
		case r >= 0x0300 && r <= 0x036f:
			return fmt.Sprintf("the accent %U is written as a character of its own", r),
				"write the letter and its accent as one character (Unicode form NFC)"
		case unicode.IsMark(r) && i == 0:
			return fmt.Sprintf("the name begins with the mark %U", r), "begin with a letter or digit"
		case unicode.IsLetter(r), unicode.IsMark(r), unicode.Is(unicode.Nd, r), strings.ContainsRune("._- ", r):
		default:
			return fmt.Sprintf("the character %s in the name", describe(r)), ""
		}
	}
	return "", ""
}

// CheckAlias checks an alias: ASCII letters, digits, '_' and '-', up to 255, and none of the reserved ones ("latest",
// "v1", the names of stages).
func CheckAlias(alias string) error {
	if err := checkAliasForm(alias); err != nil {
		return err
	}
	_, notStage := ParseStage(alias)
	isVersion := len(alias) > 1 && strings.EqualFold(alias[:1], "v") && strings.Trim(alias[1:], "0123456789") == ""
	if notStage == nil || isVersion || strings.EqualFold(alias, "latest") {
		return &Error{Name: alias, Err: fmt.Errorf("%w: a reserved alias", ErrInvalid),
			Hint: "choose another; stages, versions and latest have forms of their own, such as models:/name/Production"}
	}
	return nil
}

func checkAliasForm(alias string) error {
	return checkToken(alias, 255, "an alias")
}

// checkToken bounds what aliases, and ids of runs and logged models, look like: they become parts of paths.
func checkToken(s string, longest int, what string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if s == "" || len(s) > longest || strings.Trim(s, allowed) != "" {
		return &Error{Name: s, Err: fmt.Errorf("%w: not %s", ErrInvalid, what), Hint: fmt.Sprintf("it has 1 to %d ASCII letters, digits, '_' and '-'", longest)}
	}
	return nil
}

// device is what Windows takes for a device in any folder, whatever follows the dot.
var device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$)`)

// CheckPath checks the path of an artifact: relative, slash-separated, without '.', '..' and empty elements, each at
// most 255 bytes and fit to be a file name on every system and an address on every server ('%' is none: MLflow's
// decodes it twice, and takes a%2Fb for a/b).
func CheckPath(path string) error {
	reason := ""
	if !fs.ValidPath(path) || path == "." {
		reason = "not a relative, slash-separated path"
	}
	for elem := range strings.SplitSeq(path, "/") {
		if len(elem) > 255 {
			reason = "an element of more than 255 bytes"
		} else if strings.HasSuffix(elem, ".") || strings.HasSuffix(elem, " ") {
			reason = "an element that ends with a dot or a space"
		} else if device.MatchString(elem) {
			reason = "the name of a device on Windows"
		}
	}
	for _, r := range path {
		if r < ' ' || unicode.Is(unicode.C, r) || strings.ContainsRune(`\:*?"<>|#%`, r) {
			reason = "the character " + describe(r)
			break
		}
	}
	if reason == "" {
		return nil
	}
	return &Error{Path: strings.ToValidUTF8(path, "\ufffd"), Err: fmt.Errorf("%w: %s in an artifact's path", ErrInvalid, reason),
		Hint: "rename the file"}
}

// CheckKey checks the key of a parameter, metric or tag: not empty, valid UTF-8, no control characters.
func CheckKey(key string) error {
	if key == "" || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		return &Error{Name: key, Err: fmt.Errorf("%w: not a key", ErrInvalid),
			Hint: "use UTF-8 text without control characters"}
	}
	return nil
}

// CheckPairs checks parameters or tags: keys by CheckKey, values valid UTF-8. It reports all faults.
func CheckPairs(pairs map[string]string) error {
	var faults []error
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if err := CheckKey(key); err != nil {
			faults = append(faults, err)
		} else if !utf8.ValidString(pairs[key]) {
			faults = append(faults, &Error{Name: key, Err: fmt.Errorf("%w: the value is not valid UTF-8", ErrInvalid),
				Hint: "encode binary values, for example in base64"})
		}
	}
	return errors.Join(faults...)
}

// describe shows a character without trusting it to be visible.
func describe(r rune) string {
	if unicode.IsPrint(r) && r != utf8.RuneError {
		return fmt.Sprintf("%q", r)
	}
	return fmt.Sprintf("%U", r)
}
