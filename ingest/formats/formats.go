// Package formats has the readers of all formats together, for programs that read whatever people keep. One that
// should stay small names the readers it needs in Options.Readers instead, and links no others.
package formats

import (
	"maps"
	"slices"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/excel"
	"github.com/docent-ml/docent/ingest/mail"
	"github.com/docent-ml/docent/ingest/office"
)

// Readers returns a reader for each file extension that is known, for Options.Readers.
func Readers() map[string]ingest.Reader {
	all := ingest.DefaultReaders()
	maps.Copy(all, office.Readers())
	maps.Copy(all, mail.Readers())
	all[".xlsx"], all[".xlsm"] = excel.XLSX{}, excel.XLSX{}
	return all
}

// Types returns one reader of each type, for ingest.RunChild.
func Types() []ingest.Reader { return slices.Collect(maps.Values(Readers())) }
