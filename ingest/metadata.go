package ingest

import (
	"maps"
	"slices"
	"strings"

	"github.com/abadojack/whatlanggo"
	"golang.org/x/text/language"
)

// takeMetadata takes title and language from what the file says about itself.
func (d *Document) takeMetadata() {
	for _, key := range slices.Sorted(maps.Keys(d.Metadata)) {
		value := d.Metadata[key]
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

// tellLanguage finds the language of a text that does not declare it, where its
// beginning is enough to be sure.
func (d *Document) tellLanguage() {
	if d.Language != "" || !d.Outcome.HasText() {
		return
	}
	sample := d.Pages[0].Text
	for _, p := range d.Pages[1:] {
		if len(sample) > maxSample {
			break
		}
		sample += "\n" + p.Text
	}
	sample = strings.ToValidUTF8(sample[:min(len(sample), maxSample)], "")
	if info := whatlanggo.Detect(sample); info.IsReliable() {
		d.Language = info.Lang.Iso6391()
	}
}

const maxSample = 4 << 10

// redact changes all that is text of the file.
func (d *Document) redact(change func(string) string) {
	d.Title = change(d.Title)
	for i := range d.Pages {
		d.Pages[i].Text = change(d.Pages[i].Text)
	}
	for key, value := range d.Metadata {
		d.Metadata[key] = change(value)
	}
}
