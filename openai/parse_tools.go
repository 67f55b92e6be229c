package openai

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const maxTools = 128

// readTools takes tools, tool_choice and parallel_tool_calls. named says where a function's own fields are: below
// "function" in chat completions, beside "type" in responses.
func (s *fieldSet) readTools(nested bool) (tools []Tool, choice *ToolChoice, parallel *bool) {
	if p, ok := s.take("tools"); ok {
		tools = p.tools(true, nested)
	}
	if p, ok := s.take("tool_choice"); ok {
		choice = p.toolChoice(tools, true, nested)
	}
	if p, ok := s.take("parallel_tool_calls"); ok {
		if p.kind != boolean {
			p.fault(mistyped, "must be true or false")
		}
		on := p.text == "true"
		parallel = &on
	}
	return tools, choice, parallel
}

// tools are functions, each below "function" beside its type, beside it, or without one.
func (p place) tools(typed, nested bool) []Tool {
	if p.kind != array {
		p.fault(mistyped, "must be a list")
		return nil
	}
	if len(p.items) > maxTools {
		p.fault(tooLong, fmt.Sprintf("must have at most %d functions", maxTools))
		return nil
	}
	var tools []Tool
	for i, item := range p.items {
		x := p.at(i, item)
		f, end, ok := x.function(typed, nested)
		if !ok {
			continue
		}
		tool := Tool{Type: ToolFunction}
		tool.Function.read(f)
		if slices.ContainsFunc(tools, func(o Tool) bool { return o.Function.Name == tool.Function.Name }) {
			x.fault(conflict, "another function has the same name")
		}
		end()
		tools = append(tools, tool)
	}
	return tools
}

// function opens the object with the fields of a function, which end finishes, and the one around it.
func (p place) function(typed, nested bool) (s *fieldSet, end func(), ok bool) {
	s, ok = p.set()
	if !ok || typed && !s.functionType() {
		return nil, nil, false
	}
	end = s.finish
	if nested {
		around := s
		s, ok = around.inside("function")
		end = func() { s.finish(); around.finish() }
	}
	return s, end, ok
}

// inside opens an object that must be there.
func (s *fieldSet) inside(name string) (*fieldSet, bool) {
	p, ok := s.take(name)
	if !ok {
		p.fault(missing, "is required")
		return nil, false
	}
	return p.set()
}

// functionType takes the type of a tool, of which there is only one here.
func (s *fieldSet) functionType() bool {
	p, ok := s.take("type")
	switch {
	case !ok:
		p.fault(missing, "is required")
	case !p.isText():
	case p.text != ToolFunction:
		p.refuse("is not supported, except " + ToolFunction)
	default:
		return true
	}
	return false
}

func (f *Function) read(s *fieldSet) {
	f.Name = s.name()
	f.Description = s.text("description")
	if p, ok := s.take("parameters"); ok {
		f.Parameters = p.schema()
	}
	f.Strict = s.boolean("strict")
}

// name takes a required identifier of a function or schema.
func (s *fieldSet) name() string {
	p, ok := s.take("name")
	if !ok {
		p.fault(missing, "is required")
		return ""
	}
	if p.isText() && !isName(p.text) {
		p.fault(malformed, "must have 1 to 64 letters, digits, underscores, dashes or dots")
	}
	return p.text
}

func isName(s string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, odd) < 0
}

// schema is the text of a JSON Schema. What is in it is checked by whoever compiles it.
func (p place) schema() json.RawMessage {
	if p.kind != object {
		p.fault(mistyped, "must be an object: a JSON Schema")
		return nil
	}
	return json.RawMessage(p.f.body[p.pos:p.end])
}

func (p place) toolChoice(tools []Tool, typed, nested bool) *ToolChoice {
	modes := []string{ToolNone, ToolAuto, ToolRequired}
	if !typed {
		modes = modes[:2]
	}
	if p.kind == text {
		switch {
		case !slices.Contains(modes, p.text):
			p.fault(enum, "must be one of "+strings.Join(modes, ", ")+", or name a function")
		case p.text == ToolRequired && len(tools) == 0:
			p.fault(conflict, "needs tools")
		}
		return &ToolChoice{Mode: p.text}
	}
	if p.kind != object {
		p.fault(mistyped, "must be "+strings.Join(modes, ", ")+", or an object that names a function")
		return nil
	}
	s, end, ok := p.function(typed, nested)
	if !ok {
		return nil
	}
	c := &ToolChoice{Mode: ToolFunction, Name: s.name()}
	if !slices.ContainsFunc(tools, func(t Tool) bool { return t.Function.Name == c.Name }) {
		p.fault(conflict, "names a function that is not among those that are given")
	}
	end()
	return c
}

// readFormat takes the fields of a response format. In chat completions those of a schema are below "json_schema".
func (s *fieldSet) readFormat(nested bool) *ResponseFormat {
	defer s.finish()
	t, ok := s.take("type")
	switch {
	case !ok:
		t.fault(missing, "is required")
		return nil
	case !t.isText():
		return nil
	case t.text != "text" && t.text != "json_object" && t.text != "json_schema":
		t.fault(enum, "must be one of text, json_object, json_schema")
		return nil
	}
	f := &ResponseFormat{Type: t.text}
	if t.text != "json_schema" {
		return f
	}
	in := s
	if nested {
		if in, ok = s.inside("json_schema"); !ok {
			return nil
		}
		defer in.finish()
	}
	f.JSONSchema = &JSONSchema{Name: in.name()}
	f.JSONSchema.Description = in.text("description")
	p, ok := in.take("schema")
	if !ok {
		p.fault(missing, "is required")
	} else {
		f.JSONSchema.Schema = p.schema()
	}
	f.JSONSchema.Strict = in.boolean("strict")
	return f
}

// readCalls takes the calls that an assistant's message made. given also counts those that are not valid.
func (s *fieldSet) readCalls() (calls []ToolCall, given bool) {
	p, ok := s.list("tool_calls")
	if !ok { // a fault tells enough
		return nil, p.kind != null
	}
	for i, item := range p.items {
		c, ok := p.at(i, item).set()
		if !ok || !c.functionType() {
			continue
		}
		call := ToolCall{Type: ToolFunction, ID: c.required("id")}
		if f, ok := c.inside("function"); ok {
			call.Function = f.functionCall()
			f.finish()
		}
		c.finish()
		calls = append(calls, call)
	}
	return calls, len(p.items) > 0
}

func (s *fieldSet) functionCall() FunctionCall {
	return FunctionCall{Name: s.name(), Arguments: s.required("arguments")}
}

// required takes a string that has to be there.
func (s *fieldSet) required(name string) string {
	p, ok := s.take(name)
	if !ok {
		p.fault(missing, "is required")
		return ""
	}
	p.isText()
	return p.text
}
