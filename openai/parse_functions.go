package openai

import (
	"fmt"
	"slices"
)

// Before there were tools there were functions, which many clients still send: functions and function_call of a request,
// function_call of an assistant's message, and messages of the role function. All are read as the tools that they mean.

const functionRole = "function"

// readFunctions takes functions and function_call as tools of which one is called at a time.
func (r *ChatCompletionRequest) readFunctions(s *fieldSet) {
	list, listed := s.take("functions")
	choice, chosen := s.take("function_call")
	switch {
	case listed && r.Tools != nil:
		list.fault(conflict, "is the older form of tools: use one of the two")
		return
	case listed && list.kind != array:
		list.fault(mistyped, "must be a list")
		return
	case listed && len(list.items) > maxTools:
		list.fault(tooLong, fmt.Sprintf("must have at most %d functions", maxTools))
		return
	}
	for i, item := range list.items {
		x := list.at(i, item)
		f, ok := x.set()
		if !ok {
			continue
		}
		tool := Tool{Type: ToolFunction}
		tool.Function.read(f)
		f.finish()
		if slices.ContainsFunc(r.Tools, func(o Tool) bool { return o.Function.Name == tool.Function.Name }) {
			x.fault(conflict, "another function has the same name")
		}
		r.Tools = append(r.Tools, tool)
	}
	r.Functions = listed
	if chosen {
		r.ToolChoice = choice.functionChoice(r.Tools)
	}
}

func (p place) functionChoice(tools []Tool) *ToolChoice {
	if p.kind == text {
		if p.text != ToolNone && p.text != ToolAuto {
			p.fault(enum, "must be one of none, auto, or name a function")
		}
		return &ToolChoice{Mode: p.text}
	}
	s, ok := p.set()
	if !ok {
		return nil
	}
	c := &ToolChoice{Mode: ToolFunction, Name: s.name()}
	s.finish()
	if !slices.ContainsFunc(tools, func(t Tool) bool { return t.Function.Name == c.Name }) {
		p.fault(conflict, "names a function that is not among the functions")
	}
	return c
}

// readFunctionCall takes the call that an assistant's message made.
func (s *fieldSet) readFunctionCall() (call ToolCall, given bool) {
	p, ok := s.take("function_call")
	if !ok {
		return call, false
	}
	if f, ok := p.set(); ok {
		call = ToolCall{Type: ToolFunction, Function: FunctionCall{Name: f.name(), Arguments: f.required("arguments")}}
		f.finish()
	}
	return call, true
}

// answerFunctions gives the calls of functions ids, and turns what a function returned into a tool's message that answers
// the last call of its name.
func answerFunctions(messages []Message) {
	last := map[string]string{} // id by name
	for i := range messages {
		m := &messages[i]
		for j := range m.ToolCalls {
			c := &m.ToolCalls[j]
			if c.ID == "" {
				c.ID = fmt.Sprintf("call_%d_%d", i, j)
			}
			last[c.Function.Name] = c.ID
		}
		if m.Role == functionRole {
			name := m.ToolCallID
			m.Role, m.ToolCallID = "tool", last[name]
			if m.ToolCallID == "" {
				m.ToolCallID = "call_" + name
			}
		}
	}
}
