package openai

import "encoding/json"

// Tool is a function that the model may call.
type Tool struct {
	Type     string   `json:"type"`
	Function Function `json:"function"`
}

// Function describes a tool to the model.
type Function struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"` // a JSON Schema; nil: no parameters
	Strict      bool            `json:"strict,omitempty"`     // what of the parameters cannot be kept is refused, and not ignored
}

// ToolChoice says whether the model calls a function: none, auto, required, or function for the one of that name.
type ToolChoice struct {
	Mode string
	Name string // of the function, if Mode is function
}

// The modes of a ToolChoice.
const (
	ToolNone     = "none"
	ToolAuto     = "auto"
	ToolRequired = "required"
	ToolFunction = "function"
)

// MarshalJSON writes a mode as a string, and a function as an object.
func (c ToolChoice) MarshalJSON() ([]byte, error) {
	if c.Mode != ToolFunction {
		return json.Marshal(c.Mode)
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	named.Type, named.Function.Name = ToolFunction, c.Name
	return json.Marshal(named)
}

// ToolCall is a call that the model made.
type ToolCall struct {
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function FunctionCall `json:"function"`
}

// FunctionCall is what is called. Arguments is the text of a JSON object.
type FunctionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// ToolCallDelta is a piece of a call in a stream. The first of a call has ID, Type and the name, and no arguments yet.
type ToolCallDelta struct {
	Index    int               `json:"index"`
	ID       string            `json:"id,omitempty"`
	Type     string            `json:"type,omitempty"`
	Function FunctionCallDelta `json:"function"`
}

// FunctionCallDelta is what a piece adds to a call.
type FunctionCallDelta struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

// ResponseFormat is what the text of the answer has to be.
type ResponseFormat struct {
	Type       string      `json:"type"`
	JSONSchema *JSONSchema `json:"json_schema,omitempty"` // with type json_schema
}

// JSONSchema is the schema that an answer follows.
type JSONSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema"`
	Strict      bool            `json:"strict,omitempty"` // what of the schema cannot be kept is refused, and not ignored
}
