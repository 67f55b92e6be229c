package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	repoPart   = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$`)
	commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256Hex  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	etagName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`) // an etag that can be a file name everywhere
)

// ValidateRepo checks the name of a repository: "owner/name", or the bare "name" of a few old ones. The rules are those
// of the Hub; they also make the name safe as part of a path.
func ValidateRepo(repo string) error {
	fault := func(reason string) error {
		return fmt.Errorf("hub: repository %q: %w: %s", repo, ErrName, reason)
	}
	parts := strings.Split(repo, "/")
	switch {
	case repo == "":
		return fault("it is empty; write owner/name")
	case len(parts) > 2:
		return fault("write owner/name, with one slash")
	case strings.Contains(repo, "--") || strings.Contains(repo, ".."):
		return fault(`"--" and ".." are not allowed`)
	case strings.HasSuffix(repo, ".git"):
		return fault(`it must not end in ".git"`)
	}
	for _, part := range parts {
		if !repoPart.MatchString(part) {
			return fault("owner and name consist of letters, digits, '-', '_' and '.', " +
				"begin and end with a letter, digit or '_', and have at most 96 characters")
		}
	}
	return nil
}

// ValidateRevision checks the name of a branch, tag or commit by git's rules, which also make it safe as a path.
func ValidateRevision(revision string) error {
	fault := func(reason string) error {
		return fmt.Errorf("hub: revision %q: %w: %s", revision, ErrName, reason)
	}
	switch {
	case revision == "":
		return fault("it is empty; name a branch, tag or commit")
	case len(revision) > 200:
		return fault("it is longer than 200 bytes")
	case strings.ContainsFunc(revision, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\ufffd' }),
		strings.ContainsAny(revision, `~^:?*[\"<>|`):
		return fault("a branch, tag or commit has no spaces, control characters or any of ~^:?*[\\\"<>|")
	case strings.Contains(revision, "..") || strings.Contains(revision, "@{") || revision == "@":
		return fault(`".." and "@{" are not allowed`)
	}
	for part := range strings.SplitSeq(revision, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") || strings.HasSuffix(part, ".lock") {
			return fault(`no part between slashes may be empty, begin or end with ".", or end in ".lock"`)
		}
	}
	if strings.HasPrefix(revision, "-") || !filepath.IsLocal(filepath.FromSlash(revision)) {
		return fault("it cannot name a branch or tag")
	}
	return nil
}

// checkFileName says whether a file name from the server may become a path below the snapshot folder here.
func checkFileName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		return errors.New("it is absolute, empty or leaves the repository")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.ContainsAny(name, `\:`):
		return errors.New("it holds a control character, a backslash or a colon")
	case !filepath.IsLocal(filepath.FromSlash(name)):
		return errors.New("it is reserved on this system")
	}
	return nil
}
