package text

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/docent-ml/docent/internal/atomicfile"
)

// WithTemplates is the tokenizer with the chat templates of a folder, which may lie in files of their own or in its
// tokenizer_config.json; without any it is the tokenizer itself.
func (t *Tokenizer) WithTemplates(fsys fs.FS) (*Tokenizer, error) {
	set, _, err := readSettings(fsys)
	if err != nil || set.chatTemplate == "" {
		return t, err
	}
	out := *t
	out.settings.chatTemplate, out.settings.toolTemplate = set.chatTemplate, set.toolTemplate
	out.files = maps.Clone(t.files)
	delete(out.files, toolFile)
	out.settings.writeTemplates(out.files) // which win over those in the configuration
	return &out, nil
}

// writeTemplates adds the files of the templates.
func (s *settings) writeTemplates(files map[string][]byte) {
	for name, source := range map[string]string{templateFile: s.chatTemplate, toolFile: s.toolTemplate} {
		if source != "" {
			files[name] = []byte(source)
		}
	}
}

// WriteFiles writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and the chat templates into an
// existing folder, so that transformers' AutoTokenizer loads it with the same ids. Files that were loaded are written
// back byte for byte. Each file appears whole or not at all.
func (t *Tokenizer) WriteFiles(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if folder := path.Dir(name); folder != "." {
			if err := os.Mkdir(filepath.Join(dir, folder), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("write tokenizer: %w", err)
			}
		}
		if err := atomicfile.Write(filepath.Join(dir, filepath.FromSlash(name)), t.files[name]); err != nil {
			return fmt.Errorf("write tokenizer: %w", err)
		}
	}
	return nil
}

// render writes the files of a tokenizer that did not come from files.
func (t *Tokenizer) render(doc *document) (map[string][]byte, error) {
	special := map[string]any{}
	for name, text := range t.settings.special {
		special[name] = text
	}
	config := map[string]any{
		// The class that takes tokenizer.json as it is, in every version of transformers.
		"tokenizer_class":              "PreTrainedTokenizerFast",
		"clean_up_tokenization_spaces": false,
		"model_max_length":             1e30, // transformers' way to say: not known here
	}
	maps.Copy(config, special)
	files := map[string][]byte{}
	for name, value := range map[string]any{tokenizerFile: doc, configFile: config, specialFile: special} {
		data, err := marshal(value)
		if err != nil {
			return nil, err
		}
		files[name] = data
	}
	t.settings.writeTemplates(files)
	return files, nil
}
