package openai

import "fmt"

// Before there were tools there were functions, which many clients still send: functions and function_call of a request,
// function_call of an assistant's message, and messages of the role function. All are read as the tools that they mean.

const functionRole = "function"

// readFunctions takes functions and function_call as tools of which one is called at a time.
func (r *ChatCompletionRequest) readFunctions(s *fieldSet) {
	list, listed := s.take("functions")
	switch {
	case listed && r.Tools != nil:
		list.fault(conflict, "is the older form of tools: use one of the two")
	case listed:
		r.Functions, r.Tools = true, list.tools(false, false)
	}
	if choice, chosen := s.take("function_call"); chosen {
		r.ToolChoice = choice.toolChoice(r.Tools, false, false)
	}
}

// readFunctionCall takes the call that an assistant's message made.
func (s *fieldSet) readFunctionCall() (call ToolCall, given bool) {
	p, given := s.take("function_call")
	if given {
		p.open(func(f *fieldSet) { call = ToolCall{Type: ToolFunction, Function: f.functionCall()} })
	}
	return call, given
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
