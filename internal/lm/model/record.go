package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// recordFile, beside config.json in an exported folder or beside an adapter, keeps what their layouts have no place for.
const recordFile = "docent.json"

type record struct {
	Base   string `json:"base_model"`
	Prompt string `json:"prompt"` // promptChat or promptQA
	// Digest is that of the weights an adapter was trained on.
	Digest string `json:"base_digest,omitempty"`
}

const (
	promptChat = "chat"
	promptQA   = "qa"
)

// openRecord reads the record of a folder, or nothing where there is none.
func openRecord(fsys fs.FS) (r record, err error) {
	data, err := fs.ReadFile(fsys, recordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w", recordFile, err)
	}
	return r, nil
}

func (m *Model) writeRecord(dir string, r record) error {
	r.Prompt = promptChat
	if m.Chat == nil {
		r.Prompt = promptQA
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o644)
}

// ofCard finds the licence in the head of a model card, which is YAML between two lines of dashes.
var ofCard = regexp.MustCompile(`(?m)\A---\n(?:[^-].*\n|-[^-].*\n)*?license: *["']?([\w.+-]+)`)

// cardLicence is what the model card of a folder says; "" without one.
func cardLicence(fsys fs.FS) string {
	card, _ := fs.ReadFile(fsys, "README.md")
	if found := ofCard.FindSubmatch(card); found != nil {
		return string(found[1])
	}
	return ""
}
