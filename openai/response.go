package openai

import "encoding/json"

// ResponseRequest is the body of POST /v1/responses, as far as it needs no state on the server. A server reads it with
// [ParseResponseRequest], which turns input and instructions into Messages.
type ResponseRequest struct {
	Model           string
	Messages        []Message // the instructions lead, as a system message
	Instructions    *string
	MaxOutputTokens *int
	Text            *ResponseFormat
	Tools           []Tool
	ToolChoice      *ToolChoice
	Parallel        *bool
	Metadata        map[string]string
	User            *string
	TemplateKwargs  map[string]any
	Truncate        bool // of a conversation that is too long, the oldest turns are left out
	Sampling             // Temperature, TopP, Stream, Seed and the extensions

	// Ignored names the fields of the body that nobody documented, at most 32. They had no effect.
	Ignored []string

	thought string // that belongs to the next message or call
}

// Response is the answer of POST /v1/responses, and part of the first and last events of a streamed one.
type Response struct {
	ID                 string             `json:"id"`
	Object             string             `json:"object"`
	CreatedAt          int64              `json:"created_at"`
	Status             string             `json:"status"`
	Background         bool               `json:"background"`
	Error              *ResponseError     `json:"error"`
	IncompleteDetails  *IncompleteDetails `json:"incomplete_details"`
	Instructions       *string            `json:"instructions"`
	MaxOutputTokens    *int               `json:"max_output_tokens"`
	Model              string             `json:"model"`
	Output             []OutputItem       `json:"output"`
	ParallelToolCalls  bool               `json:"parallel_tool_calls"`
	PreviousResponseID *string            `json:"previous_response_id"`
	Reasoning          ResponseReasoning  `json:"reasoning"`
	ServiceTier        string             `json:"service_tier"`
	Store              bool               `json:"store"`
	Temperature        float64            `json:"temperature"`
	Text               ResponseText       `json:"text"`
	ToolChoice         ResponseToolChoice `json:"tool_choice"`
	Tools              []ResponseTool     `json:"tools"`
	TopP               float64            `json:"top_p"`
	Truncation         string             `json:"truncation"`
	Usage              *ResponseUsage     `json:"usage"` // null until the end
	User               *string            `json:"user"`
	Metadata           map[string]string  `json:"metadata"`
	SystemFingerprint  string             `json:"system_fingerprint"` // an extension, like the next
	Latency            *Latency           `json:"latency,omitempty"`
}

// ResponseError is why a streamed response failed.
type ResponseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// IncompleteDetails is why a response is not complete.
type IncompleteDetails struct {
	Reason string `json:"reason"`
}

// ResponseReasoning is there because clients expect it: how much a model thinks cannot be chosen.
type ResponseReasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// ResponseText says what form the text has.
type ResponseText struct {
	Format ResponseTextFormat `json:"format"`
}

// ResponseTextFormat is a [ResponseFormat] as /v1/responses writes it, without an object of its own for the schema.
type ResponseTextFormat struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      bool            `json:"strict,omitempty"`
}

// ResponseTool is a [Tool] as /v1/responses writes it.
type ResponseTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// ResponseToolChoice is a [ToolChoice] as /v1/responses writes it.
type ResponseToolChoice ToolChoice

// MarshalJSON writes a mode as a string, and a function as an object.
func (c ResponseToolChoice) MarshalJSON() ([]byte, error) {
	if c.Mode != ToolFunction {
		return json.Marshal(c.Mode)
	}
	return json.Marshal(struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}{ToolFunction, c.Name})
}

// UnmarshalJSON takes either form.
func (c *ResponseToolChoice) UnmarshalJSON(data []byte) error {
	var named struct{ Type, Name string }
	if len(data) > 0 && data[0] == '{' {
		err := json.Unmarshal(data, &named)
		c.Mode, c.Name = named.Type, named.Name
		return err
	}
	return json.Unmarshal(data, &c.Mode)
}

// OutputItem is a message, a function call, or what the model thought before them, of a response.
type OutputItem struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Status string `json:"status"`

	Role    string       `json:"role,omitempty"`   // of a message
	Content []OutputPart `json:"content,omitzero"` // of a message or a thought
	Summary []OutputPart `json:"summary,omitzero"` // of a thought: empty, for nobody sums it up

	CallID    string  `json:"call_id,omitempty"` // of a function call
	Name      string  `json:"name,omitempty"`
	Arguments *string `json:"arguments,omitempty"`
}

// OutputPart is the text of a message or, without the last two, of a thought.
type OutputPart struct {
	Type        string         `json:"type"`
	Text        string         `json:"text"`
	Annotations []Annotation   `json:"annotations,omitzero"`
	Logprobs    []TokenLogprob `json:"logprobs,omitzero"`
}

// ResponseUsage counts tokens as [Usage] does.
type ResponseUsage struct {
	InputTokens         int                 `json:"input_tokens"`
	InputTokensDetails  PromptTokensDetails `json:"input_tokens_details"`
	OutputTokens        int                 `json:"output_tokens"`
	OutputTokensDetails OutputTokensDetails `json:"output_tokens_details"`
	TotalTokens         int                 `json:"total_tokens"`
}

// OutputTokensDetails says how many tokens of an answer the model thought, before it answered.
type OutputTokensDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// ResponseEvent is one event of a streamed response: the fields that its Type has are set.
type ResponseEvent struct {
	Type           string         `json:"type"`
	SequenceNumber int            `json:"sequence_number"`
	Response       *Response      `json:"response,omitempty"`
	OutputIndex    *int           `json:"output_index,omitempty"`
	ItemID         string         `json:"item_id,omitempty"`
	Item           *OutputItem    `json:"item,omitempty"`
	ContentIndex   *int           `json:"content_index,omitempty"`
	Part           *OutputPart    `json:"part,omitempty"`
	Delta          *string        `json:"delta,omitempty"`
	Text           *string        `json:"text,omitempty"`
	Name           string         `json:"name,omitempty"`
	Arguments      *string        `json:"arguments,omitempty"`
	Logprobs       []TokenLogprob `json:"logprobs,omitzero"`
}
