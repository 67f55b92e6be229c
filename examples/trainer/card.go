package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/docent-ml/docent/examples/internal/report"
	"github.com/docent-ml/docent/internal/atomicfile"
)

// accuracyTable is a table in Markdown.
func accuracyTable(rows []report.Accuracy) string {
	if len(rows) == 0 {
		return ""
	}
	text := "| asked | before | after | nineteen of twenty such sets |\n|---|---|---|---|\n"
	for _, a := range rows {
		text += fmt.Sprintf("| %s: %s | %s | %d of %d, %s | %s |\n", a.Way, a.Note, a.Before.Percent(), a.After.Right, a.After.Asked, a.After.Percent(), a.Interval)
	}
	return text
}

// writeCard puts a Hugging Face model card with the results beside the model.
func (p *pipeline) writeCard() error {
	var b strings.Builder
	b.WriteString("---\nlibrary_name: transformers\npipeline_tag: text-generation\ntags: [docent, lora]\n")
	if !filepath.IsAbs(p.info.Ref) && strings.Count(p.info.Ref, "/") == 1 && !strings.HasPrefix(p.info.Ref, ".") { // an id on the Hub; a path would be none of its readers' business
		fmt.Fprintf(&b, "base_model: %s\nbase_model_relation: %s\n", strings.Split(p.info.Ref, "@")[0], map[bool]string{true: "adapter", false: "finetune"}[p.Register == "adapter"])
	}
	if p.info.Licence != "" {
		fmt.Fprintf(&b, "license: %s\n", p.info.Licence)
	}
	shares := p.after.Shares()
	if len(shares) > 0 {
		fmt.Fprintf(&b, "model-index:\n- name: %q\n  results:\n", p.Name)
	}
	for _, s := range shares {
		fmt.Fprintf(&b, "  - task: {type: text-generation}\n    dataset: {name: %q, type: private}\n    metrics:\n    - {type: accuracy, name: %q, value: %.4f}\n",
			"questions on the documents", nameOf(s.Part), s.Value())
	}
	fmt.Fprintf(&b, "---\n\n# %s\n\n%s, tuned by [docent](https://github.com/docent-ml/docent) on an organisation's own documents.\n", p.Name, p.baseName())
	if text := verdict(p.before, p.after, p.suite.ByRule); text != "" {
		fmt.Fprintf(&b, "\n%s\n\n%s", text, accuracyTable(accuracy(p.before, p.after, p.suite.ByRule, p.production)))
	}
	fmt.Fprintf(&b, "\nIt answers questions on these documents and goes wrong on others; what it says should be held against them.\n\n"+
		"Training: %s rows, %d epochs, LoRA of rank %d, seed %d. Base weights, SHA-256: `%s`.\n",
		report.Count(p.set.train.Stats().Rows), p.Epochs, p.Rank, p.Seed, p.info.Digest)
	return atomicfile.Write(filepath.Join(p.tuned(), "README.md"), []byte(b.String()))
}
