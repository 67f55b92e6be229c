package text

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/docent-ml/docent/internal/lm/text/jinja"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string // system, user, assistant or, for templates that know it, tool
	Content string
	// The rest is for tools: the calls as JSON in OpenAI's form, and in a tool's message what it answers to.
	ToolCalls  json.RawMessage
	ToolCallID string
	Name       string
	// Reasoning is what the assistant thought before it answered. Templates know it as reasoning_content or thinking.
	Reasoning string
	Given     bool // an answer that Example does not mark
}

// RenderOptions are the variables of a chat template beside the messages.
type RenderOptions struct {
	AddGenerationPrompt bool            // end with the header of the assistant's answer
	Tools               json.RawMessage // a list in OpenAI's form; empty: none
	Kwargs              map[string]any  // further variables, such as enable_thinking
	MostTokens          int             // as in Tokenizer.AtMost; 0: no bound
}

// Chat turns conversations into prompts by the model's own template, or templates: some models bring one more for
// conversations with tools. It is safe for concurrent use.
type Chat struct {
	withTools  *Chat // nil: the same
	tok        *Tokenizer
	template   *jinja.Template
	source     string
	now        func() time.Time
	systemRole bool
	systemLate bool // the system message moves with the conversation: see Example
	thoughts   thoughts
	callsAlone bool    // calls are shown only where the content is None
	forUser    matcher // what a user may not write as a control token; for the assistant it is tok.specialWords
}

// NewChat compiles the chat template that came with the tokenizer; without one it returns [ErrNoTemplate]. now is the
// clock for templates that print the date, nil: time.Now.
func NewChat(tok *Tokenizer, now func() time.Time) (*Chat, error) {
	if tok.settings.chatTemplate == "" {
		return nil, ErrNoTemplate
	}
	c, err := newChat(tok, tok.settings.chatTemplate, now)
	if err == nil && tok.settings.toolTemplate != "" {
		c.withTools, err = newChat(tok, tok.settings.toolTemplate, now)
	}
	return c, err
}

func newChat(tok *Tokenizer, source string, now func() time.Time) (*Chat, error) {
	template, err := jinja.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	if now == nil {
		now = time.Now
	}
	c := &Chat{tok: tok, template: template, source: source, now: now}
	c.forUser = c.controlTokens()
	c.systemRole, c.systemLate = c.probeSystemRole()
	c.thoughts = c.probeThoughts()
	c.callsAlone = c.probeCalls()
	return c, nil
}

// controlTokens are the special tokens, and the other added tokens that the template writes itself ("<tool_call>"),
// unless they are white space, which templates write as ordinary text.
func (c *Chat) controlTokens() (m matcher) {
	for _, t := range c.tok.specialWords.tokens {
		m.add(t.Content, t)
	}
	for _, t := range append(c.tok.raw.tokens, c.tok.normalized.tokens...) {
		if !t.Special && strings.TrimSpace(t.Content) != "" && strings.Contains(c.source, t.Content) {
			m.add(t.Content, t)
		}
	}
	return m
}

// SystemRole tells whether the template has a place for a system message. Where it has none, because it refuses or
// ignores such a message, Chat puts the text in front of the first user message, after one blank line.
func (c *Chat) SystemRole() bool { return c.systemRole }

func (c *Chat) probeCalls() (alone bool) {
	call := Message{Role: "assistant", ToolCalls: json.RawMessage(`[{"id": "call00001", "type": "function", "function": {"name": "` + probeText + `", "arguments": "{}"}}]`)}
	if _, shown := c.shows(false, Message{Role: "user", Content: "x"}, call); shown {
		return false
	}
	c.callsAlone = true
	_, shown := c.shows(false, Message{Role: "user", Content: "x"}, call)
	return shown
}

func (c *Chat) probeSystemRole() (has, late bool) {
	system, user := Message{Role: "system", Content: probeText}, Message{Role: "user", Content: "x"}
	prompt, has := c.shows(true, system, user)
	if !has {
		// A template that shows nothing at all is to fail on the messages as they are, with its own message.
		_, works := c.shows(true, Message{Role: "user", Content: probeText})
		return !works, false
	}
	whole, _ := c.shows(false, system, user, Message{Role: "assistant", Content: "y"})
	place, _, _ := strings.Cut(prompt, probeText)
	return true, !strings.HasPrefix(whole, place+probeText)
}

const probeText = "docent probes for this text"

// shows renders a conversation in which the probe stands, and tells whether the template shows it.
func (c *Chat) shows(prompt bool, messages ...Message) (string, bool) {
	out, err := c.render(messages, RenderOptions{AddGenerationPrompt: prompt}, plainText(c.now()))
	return out.Text, err == nil && strings.Contains(out.Text, probeText)
}

// of is the chat with the template for what is to be rendered.
func (c *Chat) of(o RenderOptions) *Chat {
	if len(o.Tools) > 0 && c.withTools != nil {
		return c.withTools
	}
	return c
}

// Render returns the text of the prompt. Failures, a refusal by the template among them, are [ErrTemplate].
func (c *Chat) Render(messages []Message, o RenderOptions) (string, error) {
	c = c.of(o)
	out, err := c.render(c.fold(messages), o, plainText(c.now()))
	return out.Text, err
}

// Encode returns the ids of the prompt. They are those of the rendered text, but control tokens that stand in the
// messages themselves, or in tools and kwargs, are encoded as the plain text that they are.
func (c *Chat) Encode(messages []Message, o RenderOptions) ([]int32, error) {
	c = c.of(o)
	d := c.disarm(messages, o)
	out, err := c.render(c.fold(messages), o, d)
	if err != nil {
		return nil, err
	}
	return c.tok.encode(out.Text, encodeOptions{marker: d.marker, most: o.MostTokens}), nil
}

// fold moves a leading system message into the first user message where the template has no place for it.
func (c *Chat) fold(messages []Message) []Message {
	if c.systemRole {
		return messages
	}
	return foldSystem(messages)
}

func foldSystem(messages []Message) []Message {
	if len(messages) == 0 || messages[0].Role != "system" {
		return messages
	}
	folded := append([]Message(nil), messages[1:]...)
	for i := range folded {
		if folded[i].Role == "user" {
			folded[i].Content = messages[0].Content + "\n\n" + folded[i].Content
			return folded
		}
	}
	return messages
}

// JoinSystem gathers all system messages, which some call developer's, in order and with a blank line between them, into
// one leading message, because strict templates refuse a second or a late one. Without system messages it returns the
// messages unchanged. Training and serving share it, so that both give the same prompt.
func JoinSystem(messages []Message) []Message {
	var context []string
	rest := make([]Message, 0, len(messages)+1)
	rest = append(rest, Message{Role: "system"})
	for _, m := range messages {
		if m.Role == "system" || m.Role == "developer" {
			context = append(context, m.Content)
		} else {
			rest = append(rest, m)
		}
	}
	if context == nil {
		return messages
	}
	rest[0].Content = strings.Join(context, "\n\n")
	return rest
}

// disarmed is how one conversation is rendered: at what time, and with which marker in its control tokens.
type disarmed struct {
	now                 time.Time
	marker              string
	stranger, assistant func(string) string
	thought             string // what hides the end of a thought from the template, if not ""
}

func plainText(now time.Time) disarmed {
	same := func(s string) string { return s }
	return disarmed{now: now, stranger: same, assistant: same}
}

// disarm prepares a rendering in which the control tokens written in messages are broken by a marker, a character
// that stands nowhere else. The encoder drops it after it has searched the text for control tokens.
func (c *Chat) disarm(messages []Message, o RenderOptions) disarmed {
	var all strings.Builder
	all.WriteString(c.source)
	fmt.Fprint(&all, messages, o.Kwargs)
	for _, m := range messages {
		all.Write(m.ToolCalls)
	}
	all.Write(o.Tools)
	text := all.String()
	marker := rune(0xE000) // private use: no normalizer and no template knows it
	for strings.ContainsRune(text, marker) || strings.Contains(strings.ToLower(text), fmt.Sprintf(`\u%04x`, marker)) {
		marker++
	}
	with := func(m *matcher) func(string) string {
		return func(s string) string { return breakTokens(s, m, string(marker)) }
	}
	return disarmed{now: c.now(), marker: string(marker), stranger: with(&c.forUser), assistant: with(&c.tok.specialWords)}
}

// breakTokens puts the marker after each character of each token, so that no shorter token inside it and none that
// overlaps its end is found either.
func breakTokens(s string, m *matcher, marker string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		_, size := m.longest(s[i:])
		if size == 0 {
			out.WriteByte(s[i])
			i++
			continue
		}
		for _, char := range s[i : i+size] {
			out.WriteRune(char)
			out.WriteString(marker)
		}
		i += size
	}
	return out.String()
}

// render calls the template with the variables that transformers passes.
func (c *Chat) render(messages []Message, o RenderOptions, d disarmed) (jinja.Output, error) {
	vars := map[string]any{
		"messages": c.templateMessages(messages, d), "tools": jinja.Mapped{Value: o.Tools, Text: d.stranger}, "documents": nil,
		"add_generation_prompt": o.AddGenerationPrompt,
	}
	for name := range o.Kwargs {
		if _, taken := vars[name]; taken {
			return jinja.Output{}, fmt.Errorf("%w: kwargs cannot set %s, which is given otherwise", ErrTemplate, name)
		}
	}
	for name, text := range c.tok.settings.special {
		vars[name] = text
	}
	for name, value := range o.Kwargs {
		vars[name] = jinja.Mapped{Value: value, Text: d.stranger}
	}
	out, err := c.template.Render(vars, jinja.Options{Now: d.now})
	if err != nil {
		return out, fmt.Errorf("%w: %w", ErrTemplate, err)
	}
	return d.unhide(out), nil
}

func (c *Chat) templateMessages(messages []Message, d disarmed) []any {
	out := make([]any, len(messages))
	for i, m := range messages {
		text := d.stranger
		if m.Role == "assistant" {
			text = d.assistant
		}
		fields := map[string]any{"role": text(m.Role), "content": d.hide(text(m.Content))}
		if c.callsAlone && m.Content == "" && len(m.ToolCalls) > 0 {
			fields["content"] = nil
		}
		if m.Reasoning != "" {
			fields["reasoning_content"], fields["thinking"] = text(m.Reasoning), text(m.Reasoning)
		}
		if m.Name != "" {
			fields["name"] = text(m.Name)
		}
		if m.ToolCallID != "" {
			fields["tool_call_id"] = text(m.ToolCallID)
		}
		if len(m.ToolCalls) > 0 {
			fields["tool_calls"] = jinja.Mapped{Value: m.ToolCalls, Text: text}
		}
		out[i] = fields
	}
	return out
}
