package text

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Example is a conversation to train on.
type Example struct {
	IDs []int32
	// Completion marks the ids that the assistant wrote, up to and with the token that ends each of its turns. It is
	// as long as IDs.
	Completion []bool
}

// Example encodes a whole conversation and marks what the assistant wrote. The ids are those of Encode, but that thoughts
// are kept which the template cuts out of every prompt. Where the template has the generation tag, it decides; else each
// answer starts where the prompt for it ends, and reaches to the first special token after it. Where the prompt goes on
// otherwise than the conversation does (it opens a thought), the answer starts where the two part. A template that changes
// what stands before an answer cannot be used so and gives [ErrTemplate]; where it is only the system message that moves
// (Mistral shows it in the last user message, and no longer once that is answered), it is put in front of the first user message.
func (c *Chat) Example(messages []Message, o RenderOptions) (Example, error) {
	o.AddGenerationPrompt = false
	c = c.of(o)
	d := c.disarm(messages, o)
	messages, err := c.withThoughts(c.fold(messages), &d)
	if err != nil {
		return Example{}, err
	}
	if c.systemLate {
		messages = foldSystem(messages)
	}
	whole, err := c.render(messages, o, d)
	if err != nil {
		return Example{}, err
	}
	spans := whole.Generated
	if c.template.Generation {
		spans, err = learned(messages, spans)
	} else {
		spans, err = c.answers(messages, whole.Text, o, d)
	}
	if err != nil {
		return Example{}, err
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

// learned leaves out the spans of given answers.
func learned(messages []Message, spans [][2]int) (out [][2]int, err error) {
	var answers []Message
	for _, m := range messages {
		if m.Role == "assistant" {
			answers = append(answers, m)
		}
	}
	given := func(m Message) bool { return m.Given }
	if !slices.ContainsFunc(answers, given) {
		return spans, nil
	}
	if len(spans) != len(answers) {
		return nil, fmt.Errorf("%w: it has %d generation blocks for %d answers, so those that are given cannot be told", ErrTemplate, len(spans), len(answers))
	}
	for i, m := range answers {
		if !m.Given {
			out = append(out, spans[i])
		}
	}
	return out, nil
}

// answers finds the byte ranges of the assistant's turns in the rendered conversation.
func (c *Chat) answers(messages []Message, whole string, o RenderOptions, d disarmed) (spans [][2]int, err error) {
	for i, m := range messages {
		if m.Role != "assistant" || m.Given {
			continue
		}
		o.AddGenerationPrompt = true
		prompt, err := c.render(messages[:i], o, d)
		if err != nil {
			return nil, fmt.Errorf("prompt of messages[%d]: %w", i, err)
		}
		o.AddGenerationPrompt = false
		start, end, err := c.answer(messages, i, whole, o, d)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		switch {
		case strings.HasPrefix(whole, prompt.Text):
			start = len(prompt.Text)
		case !strings.HasPrefix(prompt.Text, whole[:start]):
			return nil, fmt.Errorf("%w: messages[%d]: the prompt for this answer is not the start of the whole conversation (the template is not prefix-stable), so its tokens cannot be told from the prompt's", ErrTemplate, i)
		}
		if end < start {
			return nil, fmt.Errorf("%w: messages[%d]: the template does not show this answer", ErrTemplate, i)
		}
		spans = append(spans, [2]int{start, end})
	}
	return spans, nil
}

// answer finds where the text of an answer is, whatever the template made of it (trimmed, thoughts removed, calls written
// out): it renders the conversation with another answer, and what the two have in common at both ends is not the answer's.
// Where the template insists on the calls that tools answer, the conversation ends with the answer instead.
func (c *Chat) answer(messages []Message, i int, whole string, o RenderOptions, d disarmed) (start, end int, err error) {
	changed := append([]Message(nil), messages...)
	changed[i] = Message{Role: "assistant", Content: "\uFFFF"} // a noncharacter, so no text starts or ends with it
	if text := messages[i].Content; strings.HasPrefix(text, "\uFFFF") || strings.HasSuffix(text, "\uFFFF") {
		changed[i].Content = "\uFFFE"
	}
	other, err := c.render(changed, o, d)
	if err != nil && len(messages[i].ToolCalls) > 0 {
		until, err := c.render(messages[:i+1], o, d)
		if err == nil && !strings.HasPrefix(whole, until.Text) {
			err = fmt.Errorf("%w: what follows the calls changes them, so they cannot be told from it", ErrTemplate)
		}
		return len(whole), len(strings.TrimRight(until.Text, " \n")), err
	}
	if err != nil {
		return 0, 0, err
	}
	for start < min(len(whole), len(other.Text)) && whole[start] == other.Text[start] {
		start++
	}
	for start < len(whole) && start > 0 && !utf8.RuneStart(whole[start]) {
		start-- // different characters may start with equal bytes
	}
	tail := 0
	for tail < min(len(whole), len(other.Text)) && whole[len(whole)-1-tail] == other.Text[len(other.Text)-1-tail] {
		tail++
	}
	end = len(whole) - tail
	for end < len(whole) && !utf8.RuneStart(whole[end]) {
		end++ // and end in equal bytes
	}
	return start, c.turnEnd(whole, end), nil
}

// turnEnd extends an answer by the special token that ends the turn, if only white space stands before it.
func (c *Chat) turnEnd(whole string, end int) int {
	at := len(whole) - len(strings.TrimLeftFunc(whole[end:], unicode.IsSpace))
	if _, size := c.tok.specialWords.longest(whole[at:]); size > 0 {
		return at + size
	}
	return end
}
