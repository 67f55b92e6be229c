package text

import (
	"fmt"
	"strings"

	"github.com/docent-ml/docent/internal/lm/text/jinja"
)

// thoughtEnd stands between a thought and the answer in what reasoning models write.
const thoughtEnd = "</think>"

// thoughts is what a template does with what the assistant thought, in the last answer of a conversation.
type thoughts struct {
	field bool // it shows Message.Reasoning
	tags  bool // it knows thoughts inside of the content
	cuts  bool // it cuts them off, for prompts need no old thoughts: training would never see one
}

// Thinks tells whether the model writes what it thinks in front of its answers, between <think> and </think>.
func (c *Chat) Thinks() bool {
	return c.thoughts.tags || c.withTools != nil && c.withTools.thoughts.tags
}

func (c *Chat) probeThoughts() (t thoughts) {
	if t.tags = strings.Contains(c.source, thoughtEnd); t.tags {
		_, shown := c.shows(false, Message{Role: "user", Content: "x"}, Message{Role: "assistant", Content: "<think>\n" + probeText + "\n" + thoughtEnd + "\n\ny"})
		t.cuts = !shown
	}
	_, t.field = c.shows(false, Message{Role: "user", Content: "x"}, Message{Role: "assistant", Content: "y", Reasoning: probeText})
	return t
}

// withThoughts puts what the assistant thought where the template shows it in training.
func (c *Chat) withThoughts(messages []Message, d *disarmed) ([]Message, error) {
	if c.thoughts.cuts {
		d.thought = string([]rune(d.marker)[0] + 1)
	}
	if c.thoughts.field {
		return messages, nil
	}
	out := append([]Message(nil), messages...)
	for i, m := range out {
		if m.Reasoning == "" {
			continue
		}
		if !c.thoughts.tags {
			return nil, fmt.Errorf("%w: messages[%d] has reasoning, for which the template has no place: leave it out", ErrTemplate, i)
		}
		out[i].Content, out[i].Reasoning = "<think>\n"+strings.Trim(m.Reasoning, "\n")+"\n"+thoughtEnd+"\n\n"+m.Content, ""
	}
	return out, nil
}

// hide keeps the template from finding the end of a thought, and unhide takes that back in what it wrote.
func (d disarmed) hide(content string) string {
	if d.thought == "" {
		return content
	}
	return strings.ReplaceAll(content, thoughtEnd, thoughtEnd[:1]+d.thought+thoughtEnd[1:])
}

func (d disarmed) unhide(out jinja.Output) jinja.Output {
	if d.thought == "" {
		return out
	}
	for i, span := range out.Generated {
		for end, at := range span {
			out.Generated[i][end] = at - len(d.thought)*strings.Count(out.Text[:at], d.thought)
		}
	}
	out.Text = strings.ReplaceAll(out.Text, d.thought, "")
	return out
}
