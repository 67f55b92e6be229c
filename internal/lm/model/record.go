package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// recordFile, beside config.json in an exported folder, keeps what the Hugging Face layout has no place for.
const recordFile = "docent.json"

type record struct {
	Base   string `json:"base_model"`
	Prompt string `json:"prompt"` // promptChat or promptQA
}

const (
	promptChat = "chat"
	promptQA   = "qa"
)

func (m *Model) openRecord(fsys fs.FS) error {
	data, err := fs.ReadFile(fsys, recordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("%s: %w", recordFile, err)
	}
	m.Base, m.QA = r.Base, r.Prompt == promptQA
	return nil
}

func (m *Model) writeRecord(dir string) error {
	r := record{Base: m.Ref.Name(), Prompt: promptChat}
	if m.Base != "" {
		r.Base = m.Base
	}
	if m.Chat == nil {
		r.Prompt = promptQA
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, recordFile), append(data, '\n'), 0o644)
}
