package ingest

import (
	"path"
	"strings"
)

// Skipped is a file, or a folder with all that is in it, that Walk left out
// although the patterns let it in.
type Skipped struct {
	Path   string
	System bool // of the system or of a program, such as ".git" or "~$plan.docx"; else of a kind that has no reader
}

// systemKind returns the pattern by which a name is of no document: what version
// control, operating systems and office programs leave beside documents.
func systemKind(name string) string {
	for _, kind := range []string{
		".git", ".hg", ".svn", ".bzr", "CVS", "__MACOSX", "._*", ".DS_Store", ".Spotlight-V100", ".fseventsd", ".Trash*", ".AppleDouble",
		"$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found", "__pycache__",
		"~$*", "~WRL*.tmp", ".~lock.*#", "*.lock", ".nfs*", ".fuse_hidden*", "*.swp",
	} {
		if ok, _ := path.Match(strings.ToLower(kind), strings.ToLower(name)); ok {
			return kind
		}
	}
	return ""
}

// Skip counts what Walk left out; it may be given as Options.Skipped. Files
// without a reader are counted by their ending, others by the pattern of their
// name.
func (r *Report) Skip(s Skipped) {
	if s.System {
		count(&r.LeftOut, systemKind(path.Base(s.Path)))
		return
	}
	count(&r.NotRead, extension(s.Path))
}

func count(into *map[string]int, key string) {
	if *into == nil {
		*into = map[string]int{}
	}
	(*into)[key]++
}
