package lm

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/docent-ml/docent/internal/hub"
)

// ErrRef is wrapped by every error of ParseRef.
var ErrRef = errors.New("not a base model reference")

// Kind is where a base model comes from; its text is the prefix that says so outright.
type Kind string

// The kinds of base model.
const (
	Hub  Kind = "hf"   // a repository on the Hugging Face Hub
	Dir  Kind = "dir"  // a local folder in Hugging Face layout
	GGUF Kind = "gguf" // a local GGUF file
)

// Ref is a parsed reference to a base model.
type Ref struct {
	Kind     Kind
	Repo     string // Hub: "owner/name"
	Revision string // Hub: branch, tag or commit; "" = the repository's main branch
	Path     string // Dir, GGUF: as the user wrote it
}

// ParseRef reads a reference to a base model:
//
//	owner/name, owner/name@revision    the Hugging Face Hub
//	./path, ../path, /path, C:\path    a folder in Hugging Face layout
//	path.gguf                          a GGUF file
//	hf:…, dir:…, gguf:…                the same, said outright
//
// The text alone decides; nothing is looked up on disk, so a reference means the same in every folder and on every
// machine. Any backslash or drive letter makes a path. Environment variables and ~ are not expanded.
func ParseRef(s string) (Ref, error) {
	if s == "" {
		return Ref{}, refError(s, "it is empty", "write owner/name, ./folder or file.gguf")
	}
	if strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Ref{}, refError(s, "it begins or ends with a space, or holds a control character", "")
	}
	if prefix, rest, ok := strings.Cut(s, ":"); ok {
		switch Kind(prefix) {
		case Hub:
			return parseHub(s, rest)
		case Dir, GGUF:
			if rest == "" {
				return Ref{}, refError(s, "the path is missing", "")
			}
			return Ref{Kind: Kind(prefix), Path: rest}, nil
		}
	}
	if ref, ok := parsePath(s); ok {
		return ref, nil
	}
	return parseHub(s, s)
}

// parsePath recognises what is a path without a prefix.
func parsePath(s string) (Ref, bool) {
	drive := len(s) > 1 && s[1] == ':' && ('a' <= s[0]|0x20 && s[0]|0x20 <= 'z')
	path := drive || s[0] == '.' || s[0] == '/' || strings.Contains(s, `\`)
	switch {
	case !path && strings.Contains(s, ":") || s[0] == '~':
		return Ref{}, false // an address, or an unknown prefix; parseHub explains
	case len(s) > len(".gguf") && strings.EqualFold(s[len(s)-len(".gguf"):], ".gguf"):
		return Ref{Kind: GGUF, Path: s}, true
	case path:
		return Ref{Kind: Dir, Path: s}, true
	}
	return Ref{}, false
}

// parseHub reads rest, the part of s after a possible prefix.
func parseHub(s, rest string) (Ref, error) {
	repo, revision, hasRevision := strings.Cut(rest, "@")
	prefixed := len(rest) != len(s)
	switch {
	case strings.Contains(rest, ":"):
		return Ref{}, explainColon(s)
	case strings.HasPrefix(rest, "//"):
		return Ref{}, refError(s, "a reference has no //", "write "+strings.TrimLeft(rest, "/"))
	case strings.HasPrefix(repo, "~"):
		return Ref{}, refError(s, `"~" is not expanded here`, "write the whole path")
	case !prefixed && !strings.Contains(repo, "/"):
		return Ref{}, refError(s, "it has no owner", fmt.Sprintf("write owner/%s for a model on the Hub, ./%s for a folder here, or hf:%s if the Hub knows it without an owner", repo, rest, rest))
	case strings.Count(repo, "/") > 1 && !prefixed:
		return Ref{}, refError(s, "it has too many slashes for owner/name", fmt.Sprintf("for a folder write ./%s", rest))
	case hasRevision && revision == "":
		return Ref{}, refError(s, `nothing follows "@"`, "name a branch, tag or commit, or leave the @ out")
	}
	err := hub.ValidateRepo(repo)
	if err == nil && hasRevision {
		err = hub.ValidateRevision(revision)
	}
	if err != nil {
		return Ref{}, fmt.Errorf("lm: %w %q: %w", ErrRef, s, err)
	}
	return Ref{Kind: Hub, Repo: repo, Revision: revision}, nil
}

// explainColon guesses what somebody meant who wrote an address or a reference of another kind.
func explainColon(s string) error {
	if u, err := url.Parse(s); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		hint := "for a model on the Hub write owner/name"
		parts := strings.Split(strings.Trim(u.Path, "/"), "/")
		if len(parts) > 1 {
			repo := parts[0] + "/" + parts[1]
			if len(parts) > 3 && parts[2] == "tree" {
				repo += "@" + strings.Join(parts[3:], "/")
			}
			hint = "write " + repo
		}
		return refError(s, "it is a web address", hint)
	}
	prefix, rest, _ := strings.Cut(s, ":")
	switch prefix {
	case "models", "runs":
		return refError(s, "it refers to a model registry, not to a base model", "resolve and download it first, then pass the folder as dir:…")
	case "file":
		return refError(s, "it is a file address", "write the path, or dir:… or gguf:…")
	case string(Hub):
		return refError(s, "owner, name and revision have no colon", "write hf:"+strings.TrimLeft(rest[strings.LastIndex(rest, ":")+1:], "/"))
	}
	return refError(s, fmt.Sprintf("the prefix %q is not known", prefix+":"), "prefixes are hf:, dir: and gguf:")
}

// refError says what is wrong with s and what to write instead.
func refError(s, reason, hint string) error {
	if hint != "" {
		reason += "; " + hint
	}
	return fmt.Errorf("lm: %w: %q: %s", ErrRef, s, reason)
}

// String is the shortest text that ParseRef reads as r.
func (r Ref) String() string {
	switch r.Kind {
	case Hub:
		s := r.Repo
		if r.Revision != "" {
			s += "@" + r.Revision
		}
		if strings.Contains(r.Repo, "/") {
			if _, isPath := parsePath(s); !isPath {
				return s
			}
		}
		return string(Hub) + ":" + s
	default:
		if ref, ok := parsePath(r.Path); ok && ref == r {
			return r.Path
		}
		return string(r.Kind) + ":" + r.Path
	}
}

// Name is what other tools call the model: "owner/name" without the revision, or the path.
func (r Ref) Name() string {
	if r.Kind == Hub {
		return r.Repo
	}
	return r.Path
}
