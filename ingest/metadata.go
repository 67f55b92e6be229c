package ingest

import (
	"strings"

	"golang.org/x/text/language"
)

// takeMetadata takes title and language from what the file says about itself.
func (d *Document) takeMetadata() {
	for key, value := range d.Metadata {
		switch strings.ToLower(key) {
		case "title":
			d.Title = oneLine(value)
		case "lang", "language":
			d.Language = languageTag(value)
		}
	}
}

// languageTag returns a tag in its usual form, "" if it is none.
func languageTag(s string) string {
	tag, err := language.Parse(strings.TrimSpace(s))
	if err != nil || tag == language.Und {
		return ""
	}
	return tag.String()
}
