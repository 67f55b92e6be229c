package text

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Example is a conversation to train on.
type Example struct {
	IDs []int32
	// Completion marks the ids that the assistant wrote, up to and with the token that ends each of its turns. It is
	// as long as IDs.
	Completion []bool
}

// Example encodes a whole conversation and marks what the assistant wrote. The ids are those of Encode. Where the
// template has the generation tag, it decides; else each answer starts where the prompt for it ends, and reaches to
// the first special token after it. A template whose prompt is not the start of the whole conversation cannot be
// used so and gives [ErrTemplate]; where it is only the system message that moves (Mistral shows it in the last user
// message, and no longer once that is answered), it is put in front of the first user message.
func (c *Chat) Example(messages []Message, o RenderOptions) (Example, error) {
	o.AddGenerationPrompt = false
	d := c.disarm(messages, o)
	messages = c.fold(messages)
	if c.systemLate {
		messages = foldSystem(messages)
	}
	whole, err := c.render(messages, o, d)
	if err != nil {
		return Example{}, err
	}
	spans := whole.Generated
	if !c.template.Generation {
		if spans, err = c.answers(messages, whole.Text, o, d); err != nil {
			return Example{}, err
		}
	}
	ids := func(text string) []int32 { return c.tok.encode(text, encodeOptions{marker: d.marker}) }
	e := Example{IDs: ids(whole.Text)}
	e.Completion = make([]bool, len(e.IDs))
	for _, span := range spans {
		from, _ := common(e.IDs, ids(whole.Text[:span[0]]))
		to, exact := common(e.IDs, ids(whole.Text[:span[1]]))
		if !exact && span[1] > span[0] && to < len(e.IDs) {
			to++ // the token that holds the last character and something after it
		}
		for i := from; i < to; i++ {
			e.Completion[i] = true
		}
	}
	return e, nil
}

// common counts the ids that the whole starts with too; exact if these are all ids of the part.
func common(whole, part []int32) (n int, exact bool) {
	for n < len(part) && n < len(whole) && part[n] == whole[n] {
		n++
	}
	return n, n == len(part)
}

// answers finds the byte ranges of the assistant's turns in the rendered conversation.
func (c *Chat) answers(messages []Message, whole string, o RenderOptions, d disarmed) (spans [][2]int, err error) {
	for i, m := range messages {
		if m.Role != "assistant" {
			continue
		}
		if len(m.ToolCalls) > 0 {
			return nil, fmt.Errorf("%w: messages[%d] has tool calls, which cannot be trained on without the generation tag in the template", ErrTemplate, i)
		}
		o.AddGenerationPrompt = true
		prompt, err := c.render(messages[:i], o, d)
		if err != nil {
			return nil, fmt.Errorf("prompt of messages[%d]: %w", i, err)
		}
		if !strings.HasPrefix(whole, prompt.Text) {
			return nil, fmt.Errorf("%w: messages[%d]: the prompt for this answer is not the start of the whole conversation (the template is not prefix-stable), so its tokens cannot be told from the prompt's", ErrTemplate, i)
		}
		o.AddGenerationPrompt = false
		end, err := c.answerEnd(messages, i, whole, o, d)
		if err != nil {
			return nil, err
		}
		if end < len(prompt.Text) {
			return nil, fmt.Errorf("%w: messages[%d]: the template does not show this answer", ErrTemplate, i)
		}
		spans = append(spans, [2]int{len(prompt.Text), c.turnEnd(whole, end)})
	}
	return spans, nil
}

// answerEnd finds where the text of an answer ends, whatever the template made of it (trimmed, thoughts removed): it
// renders the conversation with another answer, and what the two have in common at the end is not the answer's.
func (c *Chat) answerEnd(messages []Message, i int, whole string, o RenderOptions, d disarmed) (int, error) {
	changed := append([]Message(nil), messages...)
	changed[i].Content = "\uFFFF" // a noncharacter, so no text ends with it
	if strings.HasSuffix(messages[i].Content, changed[i].Content) {
		changed[i].Content = "\uFFFE"
	}
	other, err := c.render(changed, o, d)
	if err != nil {
		return 0, fmt.Errorf("messages[%d]: %w", i, err)
	}
	tail := 0
	for tail < min(len(whole), len(other.Text)) && whole[len(whole)-1-tail] == other.Text[len(other.Text)-1-tail] {
		tail++
	}
	end := len(whole) - tail
	for end < len(whole) && !utf8.RuneStart(whole[end]) {
		end++ // different characters may end in equal bytes
	}
	return end, nil
}

// turnEnd extends an answer by the special token that ends the turn, if only white space stands before it.
func (c *Chat) turnEnd(whole string, end int) int {
	at := end + spaceAfter(whole[end:])
	if _, size := c.tok.specialWords.longest(whole[at:]); size > 0 {
		return at + size
	}
	return end
}
