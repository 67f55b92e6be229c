// Package openai holds the wire format of the OpenAI-style HTTP API: the types of requests, responses and stream
// chunks, the strict reading of a request body, the one error object, and server-sent events in both directions. It
// knows nothing of models and depends on the standard library alone.
//
// The main types are [ChatCompletionRequest], made from a body by [ParseChatCompletionRequest], and likewise
// [CompletionRequest], [EmbeddingRequest] and [ResponseRequest]; [ChatCompletionResponse], [ChatCompletionChunk] and their
// like, what goes back; [Error], the only shape a fault has; and [Stream], which writes chunks as events ([ReadStream]
// reads them). The bounds of their fields are in serve/components.json, as JSON Schemas.
//
//	req, err := openai.ParseChatCompletionRequest(body, openai.Limits{})
//	if e, ok := errors.AsType[*openai.Error](err); ok {
//		openai.WriteError(w, e) // every bad field is listed in e.Details
//		return
//	}
//	s := openai.NewStream(w, openai.StreamOptions{KeepAlive: 15 * time.Second})
//	defer s.Close()
//	err = s.Send(openai.ChatCompletionChunk{ … })
//
// Unmarshalling a request with encoding/json would accept duplicate keys, invalid UTF-8 and keys in another case, and
// stop at the first mistyped field: parse requests with this package instead.
//
// The package routes nothing, limits nothing and generates nothing; package serve does. [Stream] may be used by
// several goroutines, everything else here is plain data.
package openai

import "encoding/json"

// Model is one entry of GET /v1/models. The fields after OwnedBy are extensions, left out when not known.
type Model struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`  // "model"
	Created       int64   `json:"created"` // Unix seconds
	OwnedBy       string  `json:"owned_by"`
	Root          string  `json:"root"`   // the model at the bottom of it: its own id, unless it has a parent
	Parent        *string `json:"parent"` // the model that it was made from by training; null: none, or not known
	BaseModel     string  `json:"base_model,omitempty"`
	ContextLength int     `json:"context_length,omitempty"` // tokens, prompt and answer together
	Ready         *bool   `json:"ready,omitempty"`          // loaded, or its files are known to be complete
}

// ModelList is the answer of GET /v1/models.
type ModelList struct {
	Object string  `json:"object"` // "list"
	Data   []Model `json:"data"`   // never nil: [] when there is none
}

// Usage counts tokens. Completion tokens are those that were sampled, over all choices, with the end-of-sequence token
// and the tokens of a stop string; the prompt counts once.
type Usage struct {
	PromptTokens        int                 `json:"prompt_tokens"`
	CompletionTokens    int                 `json:"completion_tokens"`
	TotalTokens         int                 `json:"total_tokens"`
	PromptTokensDetails PromptTokensDetails `json:"prompt_tokens_details"`

	CompletionTokensDetails OutputTokensDetails `json:"completion_tokens_details,omitzero"` // left out for models that do not think
}

// PromptTokensDetails says how many prompt tokens came from the prefix cache.
type PromptTokensDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

// Latency tells where the time of one request went, in milliseconds. It is an extension, and an object of its own
// because OpenAI's metadata is a map of strings.
type Latency struct {
	TotalMS         float64 `json:"total_ms"`
	QueueMS         float64 `json:"queue_ms"`
	GrammarMS       float64 `json:"grammar_ms,omitempty"` // to make out the form of the answer
	LoadMS          float64 `json:"load_ms"`              // 0 when the model was loaded already
	PromptMS        float64 `json:"prompt_ms"`
	FirstTokenMS    float64 `json:"first_token_ms"` // from the arrival of the request
	GenerateMS      float64 `json:"generate_ms"`
	TokensPerSecond float64 `json:"tokens_per_second"`
}

// Logprobs are the log probabilities of a choice, or of one chunk of it.
type Logprobs struct {
	Content []TokenLogprob `json:"content"`
	Refusal []TokenLogprob `json:"refusal"` // always null: docent does not refuse
}

// TokenLogprob is one returned token: natural logarithms of the model's own distribution, before temperature, penalties
// and bias.
type TokenLogprob struct {
	Token       string       `json:"token"` // holds U+FFFD where the bytes are part of a character
	Logprob     float64      `json:"logprob"`
	Bytes       []int        `json:"bytes"` // exact, also for half a character
	TopLogprobs []TopLogprob `json:"top_logprobs"`
}

// TopLogprob is one of the most likely tokens at a position.
type TopLogprob struct {
	Token   string  `json:"token"`
	Logprob float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// Nullable is a field with three states on the wire: absent (the zero value, with the omitzero tag), null, and a value.
// The streaming format needs all three.
type Nullable[T any] struct {
	Set   bool // the key is there
	Value *T   // nil: null
}

// MarshalJSON writes the value or null.
func (n Nullable[T]) MarshalJSON() ([]byte, error) {
	if n.Value == nil {
		return []byte("null"), nil
	}
	return json.Marshal(n.Value)
}

// UnmarshalJSON is called only when the key is there, so it always marks the field as set.
func (n *Nullable[T]) UnmarshalJSON(data []byte) error {
	n.Set, n.Value = true, nil
	return json.Unmarshal(data, &n.Value)
}
