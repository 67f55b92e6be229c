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
	if p, ok := s.given("parallel_tool_calls", boolean); ok {
		on := p.text == "true"
		parallel = &on
	}
	return tools, choice, parallel
}

// tools are functions, each below "function" beside its type, beside it, or without one.
func (p place) tools(typed, nested bool) []Tool {
	if !p.is(array) {
		return nil
	}
	if len(p.items) > maxTools {
		p.fault(tooLong, fmt.Sprintf("must have at most %d functions", maxTools))
		return nil
	}
	var tools []Tool
	for _, x := range p.each {
		x.function(typed, nested, func(f *fieldSet) {
			tool := Tool{Type: ToolFunction}
			tool.Function.read(f)
			if slices.ContainsFunc(tools, func(o Tool) bool { return o.Function.Name == tool.Function.Name }) {
				x.fault(conflict, "another function has the same name")
			}
			tools = append(tools, tool)
		})
	}
	return tools
}

// function reads the fields of a function in an object, or in one within that. Of a tool of another type nothing is known.
func (p place) function(typed, nested bool, read func(*fieldSet)) {
	s, ok := p.set()
	if !ok || typed && !s.functionType() {
		return
	}
	if s.below("function", nested, read) {
		s.finish()
	}
}

// below reads the fields that stand in an object that must be there or, if they are not nested, beside it.
func (s *fieldSet) below(name string, nested bool, read func(*fieldSet)) (ok bool) {
	if !nested {
		read(s)
		return true
	}
	p, ok := s.must(name)
	if ok {
		p.open(read)
	}
	return ok && p.kind == object
}

// functionType takes the type of a tool, of which there is only one here.
func (s *fieldSet) functionType() bool {
	p, ok := s.must("type")
	if !ok || !p.is(text) {
		return false
	}
	if p.text != ToolFunction {
		p.refuse("is not supported, except " + ToolFunction)
	}
	return p.text == ToolFunction
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
	p, ok := s.must("name")
	if ok && p.is(text) && !isName(p.text) {
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
	c := &ToolChoice{Mode: ToolFunction}
	p.function(typed, nested, func(s *fieldSet) {
		c.Name = s.name()
		if !slices.ContainsFunc(tools, func(t Tool) bool { return t.Function.Name == c.Name }) {
			p.fault(conflict, "names a function that is not among those that are given")
		}
	})
	return c
}

// readFormat takes the fields of a response format. In chat completions those of a schema are below "json_schema".
func (s *fieldSet) readFormat(nested bool) *ResponseFormat {
	t, ok := s.must("type")
	if !ok || !t.oneOf("text", "json_object", "json_schema") {
		return nil
	}
	f := &ResponseFormat{Type: t.text}
	if t.text == "json_schema" {
		s.below("json_schema", nested, func(in *fieldSet) {
			f.JSONSchema = &JSONSchema{Name: in.name(), Description: in.text("description")}
			if p, ok := in.must("schema"); ok {
				f.JSONSchema.Schema = p.schema()
			}
			f.JSONSchema.Strict = in.boolean("strict")
		})
	}
	return f
}

// readCalls takes the calls that an assistant's message made. given also counts those that are not valid.
func (s *fieldSet) readCalls() (calls []ToolCall, given bool) {
	p, ok := s.given("tool_calls", array)
	for _, x := range p.each {
		c, ok := x.set()
		if !ok || !c.functionType() {
			continue
		}
		call := ToolCall{Type: ToolFunction, ID: c.required("id")}
		c.below("function", true, func(f *fieldSet) { call.Function = f.functionCall() })
		c.finish()
		calls = append(calls, call)
	}
	if !ok { // a fault tells enough
		return nil, p.kind != null
	}
	return calls, len(p.items) > 0
}

func (s *fieldSet) functionCall() FunctionCall {
	return FunctionCall{Name: s.name(), Arguments: s.required("arguments")}
}
