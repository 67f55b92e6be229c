package openai

// ChatCompletionRequest is the body of POST /v1/chat/completions. Pointers stand where absent differs from zero.
// A server reads it with [ParseChatCompletionRequest]; a Go client may marshal it.
type ChatCompletionRequest struct {
	Model               string    `json:"model"`
	Messages            []Message `json:"messages"`
	MaxCompletionTokens *int      `json:"max_completion_tokens,omitempty"` // wins over max_tokens
	Logprobs            bool      `json:"logprobs,omitempty"`
	TopLogprobs         int       `json:"top_logprobs,omitempty"` // needs Logprobs

	ResponseFormat    *ResponseFormat `json:"response_format,omitempty"` // nil: text
	Tools             []Tool          `json:"tools,omitempty"`
	ToolChoice        *ToolChoice     `json:"tool_choice,omitempty"`         // nil: auto
	ParallelToolCalls *bool           `json:"parallel_tool_calls,omitempty"` // nil: true
	// ChatTemplateKwargs are extra variables of the model's chat template (an extension). Numbers are int64 or float64.
	ChatTemplateKwargs map[string]any `json:"chat_template_kwargs,omitempty"`
	Sampling

	// Functions: the tools came in their older form, functions and function_call, and the answer has a function_call.
	Functions bool `json:"-"`

	// Ignored names the fields of the body that had no effect, at most 32: those that nobody documented, and settings that
	// mean nothing here.
	Ignored []string `json:"-"`
}

// TokenLimit is the limit the client asked for, or nil.
func (r *ChatCompletionRequest) TokenLimit() *int {
	if r.MaxCompletionTokens != nil {
		return r.MaxCompletionTokens
	}
	return r.MaxTokens
}

// Sampling are the request fields that every generating route shares. The last five are extensions.
type Sampling struct {
	MaxTokens        *int            `json:"max_tokens,omitempty"`
	Temperature      *float64        `json:"temperature,omitempty"` // 0 is greedy
	TopP             *float64        `json:"top_p,omitempty"`
	N                *int            `json:"n,omitempty"`
	Stop             Stop            `json:"stop,omitempty"`
	Stream           bool            `json:"stream,omitempty"`
	StreamOptions    *StreamSettings `json:"stream_options,omitempty"`
	Seed             *int64          `json:"seed,omitempty"`
	LogitBias        map[int]float64 `json:"logit_bias,omitempty"` // token id to -100..100
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"`

	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"`   // 1 is off
	NoRepeatNgramSize *int     `json:"no_repeat_ngram_size,omitempty"` // 0 is off
	TopK              *int     `json:"top_k,omitempty"`                // 0 is off
	MinP              *float64 `json:"min_p,omitempty"`                // 0 is off
	IgnoreEOS         bool     `json:"ignore_eos,omitempty"`
}

// Stop are texts before which an answer ends: one string on the wire, or a list.
type Stop []string

// StreamSettings is the field stream_options.
type StreamSettings struct {
	IncludeUsage bool `json:"include_usage,omitempty"`
}

// Message is one message of the conversation. Text parts of a request are joined into Content.
type Message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`   // of an assistant's message
	ToolCallID string     `json:"tool_call_id,omitempty"` // of a tool's message: the call that it answers
	// ReasoningContent is what the assistant thought before it answered (an extension, as others write it).
	ReasoningContent string `json:"reasoning_content,omitempty"`
}

// ChatCompletionResponse is the answer of POST /v1/chat/completions without a stream.
type ChatCompletionResponse struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"` // "chat.completion"
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	SystemFingerprint string       `json:"system_fingerprint"`
	ServiceTier       string       `json:"service_tier"`
	Choices           []ChatChoice `json:"choices"`
	Usage             Usage        `json:"usage"`
	Latency           Latency      `json:"latency"`
}

// ChatChoice is one of the n answers.
type ChatChoice struct {
	Index        int             `json:"index"`
	Message      ResponseMessage `json:"message"`
	Logprobs     *Logprobs       `json:"logprobs"` // null unless asked for
	FinishReason string          `json:"finish_reason"`
}

// ResponseMessage is an answer. The specification requires refusal to be present, so it is not left out when null.
type ResponseMessage struct {
	Role        string       `json:"role"`
	Content     *string      `json:"content"` // null if there are only calls
	Refusal     *string      `json:"refusal"`
	Annotations []Annotation `json:"annotations"`
	ToolCalls   []ToolCall   `json:"tool_calls,omitempty"`

	ReasoningContent string `json:"reasoning_content,omitempty"` // what the model thought, if it does (an extension)

	FunctionCall *FunctionCall `json:"function_call,omitempty"` // instead of ToolCalls, for a request with functions
}

// Annotation is there because clients expect the list; docent never puts anything into it.
type Annotation struct{}

// ChatCompletionChunk is one event of a streamed answer. ID, Created, Model and SystemFingerprint are the same in all
// chunks of a stream. The last one, sent if usage was asked for, has no choices.
type ChatCompletionChunk struct {
	ID                string          `json:"id"`
	Object            string          `json:"object"` // "chat.completion.chunk"
	Created           int64           `json:"created"`
	Model             string          `json:"model"`
	SystemFingerprint string          `json:"system_fingerprint"`
	Choices           []ChunkChoice   `json:"choices"`
	Usage             Nullable[Usage] `json:"usage,omitzero"` // absent unless asked for; null before the last chunk
	Latency           *Latency        `json:"latency,omitempty"`
}

// ChunkChoice is what one chunk adds to one choice.
type ChunkChoice struct {
	Index        int       `json:"index"`
	Delta        Delta     `json:"delta"`
	Logprobs     *Logprobs `json:"logprobs"`
	FinishReason *string   `json:"finish_reason"` // null before the last chunk of the choice
}

// Delta is a piece of a message. The first of a choice has the role, the last is empty.
type Delta struct {
	Role      string           `json:"role,omitempty"`
	Content   *string          `json:"content,omitempty"` // on the wire null with the role, if a call comes first
	Refusal   Nullable[string] `json:"refusal,omitzero"`
	ToolCalls []ToolCallDelta  `json:"tool_calls,omitempty"`

	ReasoningContent string `json:"reasoning_content,omitempty"` // before all content (an extension)

	FunctionCall *FunctionCallDelta `json:"function_call,omitempty"` // instead of ToolCalls, for a request with functions
}
