package openai

import "encoding/json"

// CompletionRequest is the body of POST /v1/completions: texts to be continued as they are, without a chat template.
// A server reads it with [ParseCompletionRequest].
type CompletionRequest struct {
	Model    string  `json:"model"`
	Prompt   []Input `json:"prompt"`         // at least one; each gets its own choices
	Echo     bool    `json:"echo,omitempty"` // the answer begins with the prompt
	Logprobs *int    `json:"logprobs,omitempty"`
	Sampling

	// Ignored names the fields of the body that nobody documented, at most 32. They had no effect.
	Ignored []string `json:"-"`
}

// Input is a text, or the ids of its tokens.
type Input struct {
	Text   string
	Tokens []int // wins over Text
}

// MarshalJSON writes a string or a list of numbers.
func (in Input) MarshalJSON() ([]byte, error) {
	if in.Tokens != nil {
		return json.Marshal(in.Tokens)
	}
	return json.Marshal(in.Text)
}

// CompletionResponse is the answer of POST /v1/completions, and one event of it when it is streamed. The last event,
// sent if usage was asked for, has no choices.
type CompletionResponse struct {
	ID                string             `json:"id"`
	Object            string             `json:"object"`
	Created           int64              `json:"created"`
	Model             string             `json:"model"`
	SystemFingerprint string             `json:"system_fingerprint"`
	Choices           []CompletionChoice `json:"choices"`
	Usage             Nullable[Usage]    `json:"usage,omitzero"` // in a stream absent unless asked for, and null before the last event
	Latency           *Latency           `json:"latency,omitempty"`
}

// CompletionChoice is one continuation, or a piece of it. Those of prompt p are p·n to p·n+n-1.
type CompletionChoice struct {
	Text         string              `json:"text"`
	Index        int                 `json:"index"`
	Logprobs     *CompletionLogprobs `json:"logprobs"`
	FinishReason *string             `json:"finish_reason"` // null before the last event of the choice
}

// CompletionLogprobs are parallel lists, with one element for each token of the text. The first token of an echoed prompt
// depends on nothing and has null for both its values.
type CompletionLogprobs struct {
	TextOffset    []int                `json:"text_offset"` // in characters, from the beginning of the choice's text
	TokenLogprobs []*float64           `json:"token_logprobs"`
	Tokens        []string             `json:"tokens"`
	TopLogprobs   []map[string]float64 `json:"top_logprobs"`
}
