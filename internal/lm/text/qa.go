package text

import "slices"

// QAPrompt is the prompt of models without a chat template: the context, if any, the question, and the cue to answer.
// Training and serving share it, so that both give the same token ids.
//
//	Context:
//	<system message>
//
//	Question: <last user message>
//	Answer:
//
// The form has no place for earlier turns; dropped counts them.
func QAPrompt(messages []Message) (prompt string, dropped int) {
	context, question, turns := "", "", 0
	for _, m := range JoinSystem(messages) {
		if m.Role == "system" {
			context = "Context:\n" + m.Content + "\n\n"
			continue
		}
		turns++
		if m.Role == "user" {
			question = m.Content
		}
	}
	return context + "Question: " + question + "\nAnswer:", max(0, turns-1)
}

// QACompletion is what follows the prompt in training.
func QACompletion(answer string) string { return " " + answer }

// EncodeQA tokenizes a prompt of this form: behind the model's opening tokens, and with control tokens in it as text.
func (t *Tokenizer) EncodeQA(prompt string) []int32 {
	return append(slices.Clone(t.prefix), t.EncodeOrdinary(prompt)...)
}

// Source is the template as the model brought it, with the one for tools behind it.
func (c *Chat) Source() string {
	if c.withTools != nil {
		return c.source + c.withTools.source
	}
	return c.source
}
