package config

import "errors"

// Judge is the configuration of the evaluation program. Models are asked one after the other; the first is the base that
// the others are held against.
type Judge struct {
	Common
	Facts  string   `set:"facts_dir -facts=DIR" group:"Evaluation" not:"files" help:"folder with facts.jsonl; reworded.jsonl, swapped.jsonl, unanswerable.jsonl and general.jsonl are used if they are there, and made otherwise; required"`
	Docs   string   `set:"docs_dir -docs=DIR" not:"files" help:"folder of the documents that the facts are about; that of the facts when empty"`
	Models []string `set:"model_refs -model=REF" not:"files" help:"what to ask: models:/NAME/Production, a Hub id, a folder or a .gguf file; given several times, the models are asked the same and stand side by side, the first being the base"`
	Limit  int      `set:"limit -limit=N" not:"files" must:">= 0" help:"most questions of each part, evenly spread; 0 asks all"`
	Out    string   `set:"out -out=DIR" not:"files" help:"folder for the answers, JSON lines for each model; a run that was stopped goes on from them"`
}

// LoadJudge reads the settings of the evaluation program; see [LoadTrainer].
func LoadJudge(in Input) (Judge, *Explain, error) {
	judge, trainer, server := new(Judge), new(Trainer), new(Server)
	l := newLoader("evaluate", in, &judge.Common, declared(judge), append(trainer.groups(), server.groups()...))
	err := l.load(func(l *loader) {
		if judge.Docs == "" {
			judge.Docs = judge.Facts
		}
	})
	if err == nil && (judge.Facts == "" || len(judge.Models) == 0) {
		err = errors.New("nothing to do: -facts names a folder with facts.jsonl, -model a model; see -h")
	}
	if err != nil {
		return Judge{}, l.explain(), err
	}
	return *judge, l.explain(), nil
}

// JudgeHelp is the page that -h prints.
func JudgeHelp() string {
	judge := new(Judge)
	l := newLoader("evaluate", Input{}, &judge.Common, declared(judge), nil)
	return l.help(`evaluate asks models what they were taught, in the words of the facts and in others, with and without the passage, with a
passage that says something else, what nobody told them, and everyday requests; and shows what share each gets right.

Usage

  evaluate -facts DIR -model REF [-model REF] [flags]

Examples

  go run ./examples/evaluate -facts ./handbooks -model HuggingFaceTB/SmolLM2-135M-Instruct -model models:/handbook/Production
        the base model beside the one that serves
`)
}
