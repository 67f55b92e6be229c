package dataset

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
)

// Form is how a file of training data is written. [ReadRows] makes rows of any.
type Form string

// The forms, each with the fields of a line.
const (
	FormText       Form = "text"       // text
	FormCompletion Form = "completion" // prompt and completion, two strings or two lists of messages
	FormMessages   Form = "messages"   // messages in OpenAI's form: parts, tool calls and reasoning_content too; tools
	FormShareGPT   Form = "sharegpt"   // conversations of from and value; system, tools
	FormAlpaca     Form = "alpaca"     // instruction, input, output; system, history
)

var formFields = []struct {
	form   Form
	fields []string
}{
	{FormMessages, []string{"messages"}}, {FormShareGPT, []string{"conversations"}}, {FormAlpaca, []string{"instruction", "output"}},
	{FormCompletion, []string{"prompt", "completion"}}, {FormText, []string{"text"}},
}

// DetectForm finds out the form of a file from its first twenty rows, which must agree.
func DetectForm(fsys fs.FS, name string) (Form, error) {
	found, n := Form(""), 0
	for r, err := range readRaw(fsys, name) {
		if err != nil {
			return "", err
		}
		form := r.form()
		switch {
		case form == "":
			return "", r.fault(fmt.Errorf("%w: no form has the fields %s: one of messages; conversations; instruction and output; prompt and completion; text is needed",
				ErrRow, strings.Join(r.names(), ", ")))
		case found != "" && form != found:
			return "", r.fault(fmt.Errorf("%w: the form is %s, that of the rows before %s: name one", ErrRow, form, found))
		}
		if found = form; n == 20 {
			break
		}
		n++
	}
	if found == "" {
		return "", fmt.Errorf("%s: %w", name, ErrEmpty)
	}
	return found, nil
}

// ReadRows reads training data of a form, as lines of JSON or as one JSON array. A row that does not fit gives a *LineError
// with its line and field, and the next one follows.
func ReadRows(fsys fs.FS, name string, form Form) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for r, err := range readRaw(fsys, name) {
			var row Row
			if err == nil {
				if row, err = r.row(form); err == nil {
					err = row.Validate()
				}
				if err != nil {
					row, err = Row{}, r.fault(err)
				}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// rawRow is a row of any form.
type rawRow struct {
	fields map[string]json.RawMessage
	name   string
	line   int
}

func (r *rawRow) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &r.fields) }

func (r *rawRow) place(name string, line int) { r.name, r.line = name, line }

func (r rawRow) fault(err error) error { return &LineError{r.name, r.line, err} }

func (r rawRow) names() []string {
	var out []string
	for name := range r.fields {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (r rawRow) form() Form {
	for _, f := range formFields {
		if !slices.ContainsFunc(f.fields, func(name string) bool { return r.fields[name] == nil }) {
			return f.form
		}
	}
	return ""
}

// readRaw reads lines of JSON, or the elements of one array.
func readRaw(fsys fs.FS, name string) iter.Seq2[rawRow, error] {
	return func(yield func(rawRow, error) bool) {
		file, err := fsys.Open(name)
		if err != nil {
			yield(rawRow{}, fmt.Errorf("dataset: read: %w", err))
			return
		}
		defer file.Close()
		r := bufio.NewReader(file)
		start, _ := r.Peek(4096)
		if rest := bytes.TrimPrefix(start, []byte("\ufeff")); bytes.HasPrefix(bytes.TrimSpace(rest), []byte("[")) {
			_, _ = r.Discard(len(start) - len(rest)) // which are there
			readArray(r, name, yield)
			return
		}
		readLines(r, name, yield)
	}
}

// readArray yields each element with the line on which it begins.
func readArray(r io.Reader, name string, yield func(rawRow, error) bool) {
	lines := &lineCounter{r: r}
	d := json.NewDecoder(lines)
	_, err := d.Token()
	for err == nil && d.More() {
		var raw json.RawMessage
		if err = d.Decode(&raw); err == nil {
			line := lines.at(d.InputOffset() - int64(len(raw)))
			row, fault := decode[rawRow](raw)
			if row.place(name, line); fault != nil {
				fault = row.fault(fault)
			}
			if !yield(row, fault) {
				return
			}
		}
	}
	if err == nil {
		_, err = d.Token() // the end of the array
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	} else if err == nil && d.More() {
		err = errors.New("there is more behind the array")
	}
	if err != nil {
		yield(rawRow{}, &LineError{name, lines.at(d.InputOffset()), fmt.Errorf("%w: %w", ErrRow, err)})
	}
}

// lineCounter knows where the lines of what was read begin.
type lineCounter struct {
	r      io.Reader
	offset int64
	begins []int64
}

func (l *lineCounter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, b := range p[:n] {
		if b == '\n' {
			l.begins = append(l.begins, l.offset+int64(i)+1)
		}
	}
	l.offset += int64(n)
	return n, err
}

func (l *lineCounter) at(offset int64) int {
	n, _ := slices.BinarySearch(l.begins, offset)
	return n + 1
}

// row reads a row of a form.
func (r rawRow) row(form Form) (row Row, err error) {
	known := false
	for _, f := range formFields {
		if f.form != form {
			continue
		}
		known = true
		for _, name := range f.fields {
			if r.fields[name] == nil {
				return row, fmt.Errorf("%w: %s is missing", ErrRow, name)
			}
		}
	}
	if !known {
		return row, fmt.Errorf("%w: form %q", ErrOptions, form)
	}
	p := parser{fields: r.fields}
	row.ID, row.Source = p.optional("id"), p.optional("source")
	switch form {
	case FormText:
		row.Text = p.text("text")
	case FormCompletion:
		if !bytes.HasPrefix(r.fields["prompt"], []byte("[")) {
			row.Prompt, row.Completion = p.text("prompt"), p.text("completion")
			break
		}
		row.Messages = p.messages("prompt")
		for i := range row.Messages {
			if row.Messages[i].Role == "assistant" {
				row.Messages[i].Given = true
			}
		}
		row.Messages = append(row.Messages, p.messages("completion")...)
	case FormMessages:
		row.Messages = p.messages("messages")
	case FormShareGPT:
		row.Messages = p.system()
		row.Messages = append(row.Messages, p.shareGPT("conversations")...)
	case FormAlpaca:
		row.Messages = append(p.system(), p.alpaca()...)
	}
	if len(row.Messages) > 0 {
		row.Tools = p.tools("tools")
	}
	return row, errors.Join(p.faults...)
}

// parser reads the fields of an object and gathers what is wrong with them.
type parser struct {
	path   string // of the object, with a dot behind it
	fields map[string]json.RawMessage
	faults []error
}

func (p *parser) fault(name, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%w: %s%s %s", ErrRow, p.path, name, fmt.Sprintf(format, args...)))
}

func null(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

func (p *parser) text(name string) (s string) {
	if null(p.fields[name]) || json.Unmarshal(p.fields[name], &s) != nil {
		p.fault(name, "is %.40s, must be a string", cmp.Or(string(p.fields[name]), "missing"))
	}
	return s
}

// optional is a string, or anything else as it is written.
func (p *parser) optional(name string) (s string) {
	if raw := p.fields[name]; !null(raw) && json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return s
}

// list reads a list of objects.
func (p *parser) list(name string) (out []*parser) {
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(p.fields[name], &items); err != nil || len(items) == 0 {
		p.fault(name, "is %.40s, must be a list of objects", p.fields[name])
	}
	for i, fields := range items {
		out = append(out, &parser{path: fmt.Sprintf("%s%s[%d].", p.path, name, i), fields: fields})
	}
	return out
}

func (p *parser) messages(name string) (out []Message) {
	for _, m := range p.list(name) {
		out = append(out, m.message())
		p.faults = append(p.faults, m.faults...)
	}
	return out
}

// message reads a message in OpenAI's form.
func (p *parser) message() Message {
	m := Message{Role: p.text("role"), Name: p.optional("name"), ToolCallID: p.optional("tool_call_id"), ToolCalls: p.calls()}
	if m.Role == "function" { // as tools were called first
		m.Role = "tool"
	}
	for _, name := range []string{"reasoning_content", "reasoning", "thinking"} {
		if m.Reasoning == "" && !null(p.fields[name]) {
			m.Reasoning = p.text(name)
		}
	}
	if weight := string(p.fields["weight"]); m.Role == "assistant" && (weight == "0" || weight == "0.0") {
		m.Given = true
	}
	if raw := p.fields["content"]; !null(raw) || m.ToolCalls == nil && m.Reasoning == "" {
		m.Content = p.content("content")
	}
	return m
}

// content is a string, or a list of text parts, which are joined.
func (p *parser) content(name string) string {
	if !bytes.HasPrefix(p.fields[name], []byte("[")) {
		return p.text(name)
	}
	var out strings.Builder
	for _, part := range p.list(name) {
		if kind := part.text("type"); len(part.faults) == 0 && kind != "text" && kind != "input_text" && kind != "output_text" {
			part.fault("type", "is %q: only text can be trained on", kind)
		} else {
			out.WriteString(part.text("text"))
		}
		p.faults = append(p.faults, part.faults...)
	}
	return out.String()
}

// calls reads tool_calls, or the older function_call. Arguments in a string become the object that templates want.
func (p *parser) calls() json.RawMessage {
	var list []*parser
	if name := "tool_calls"; !null(p.fields[name]) && string(p.fields[name]) != "[]" {
		list = p.list(name)
	} else if name = "function_call"; !null(p.fields[name]) {
		list = []*parser{{path: p.path, fields: map[string]json.RawMessage{"function": p.fields[name]}}}
	}
	if len(list) == 0 {
		return nil
	}
	var out []toolCall
	for _, c := range list {
		f := c
		if raw := c.fields["function"]; raw != nil {
			f = &parser{path: c.path + "function."}
			if json.Unmarshal(raw, &f.fields) != nil {
				c.fault("function", "is %.40s, must be an object", raw)
			}
		}
		out = append(out, toolCall{ID: c.optional("id"), Type: "function", Function: toolFunction{f.text("name"), arguments(f.fields["arguments"])}})
		p.faults = append(p.faults, c.faults...)
		if f != c {
			p.faults = append(p.faults, f.faults...)
		}
	}
	data, _ := json.Marshal(out) // of what was JSON before
	return data
}

type toolCall struct {
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type"`
	Function toolFunction `json:"function"`
}

type toolFunction struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func arguments(raw json.RawMessage) json.RawMessage {
	var inner string
	if json.Unmarshal(raw, &inner) == nil && json.Valid([]byte(inner)) {
		return json.RawMessage(inner)
	}
	if null(raw) {
		return json.RawMessage("{}")
	}
	return raw
}

// tools is a list of functions, or a string with one.
func (p *parser) tools(name string) json.RawMessage {
	raw := p.fields[name]
	if null(raw) {
		return nil
	}
	raw = arguments(raw)
	if s := string(raw); s == "[]" || s == `""` {
		return nil
	} else if !strings.HasPrefix(s, "[") {
		p.fault(name, "is %.40s, must be a list", raw)
	}
	return raw
}

// system is the field beside a conversation, as its first message.
func (p *parser) system() []Message {
	if s := p.optional("system"); s != "" {
		return []Message{{Role: "system", Content: s}}
	}
	return nil
}

var shareGPTRoles = map[string]string{
	"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "model": "assistant",
	"chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "function_call": "call", "observation": "tool", "tool": "tool", "function": "tool",
}

// shareGPT reads messages of from and value; some files have OpenAI's fields under this name.
func (p *parser) shareGPT(name string) (out []Message) {
	for _, m := range p.list(name) {
		if m.fields["role"] != nil && m.fields["from"] == nil {
			out = append(out, m.message())
		} else {
			from := m.text("from")
			role, known := shareGPTRoles[strings.ToLower(from)]
			if !known && len(m.faults) == 0 {
				m.fault("from", "is %q, must be system, human, gpt, function_call or observation", from)
			}
			message := Message{Role: role, Content: m.text("value")}
			if role == "call" {
				call := &parser{path: m.path, fields: map[string]json.RawMessage{"function_call": arguments(m.fields["value"])}}
				message = Message{Role: "assistant", ToolCalls: call.calls()}
				m.faults = append(m.faults, call.faults...)
			}
			out = append(out, message)
		}
		p.faults = append(p.faults, m.faults...)
	}
	return out
}

// alpaca reads an instruction, with its input on the next line, and the output; history holds earlier pairs.
func (p *parser) alpaca() (out []Message) {
	if raw := p.fields["history"]; !null(raw) {
		var pairs [][2]string
		if err := json.Unmarshal(raw, &pairs); err != nil {
			p.fault("history", "is %.40s, must be a list of pairs", raw)
		}
		for _, pair := range pairs {
			out = append(out, Message{Role: "user", Content: pair[0]}, Message{Role: "assistant", Content: pair[1]})
		}
	}
	question := p.text("instruction")
	if input := p.optional("input"); input != "" {
		question += "\n" + input
	}
	return append(out, Message{Role: "user", Content: question}, Message{Role: "assistant", Content: p.text("output")})
}
