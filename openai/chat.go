package openai

// ChatCompletionRequest is the body of POST /v1/chat/completions. Pointers stand where absent differs from zero.
// A server reads it with [ParseChatCompletionRequest]; a Go client may marshal it.
type ChatCompletionRequest struct {
	Model               string    `json:"model"`
	Messages            []Message `json:"messages"`
	MaxCompletionTokens *int      `json:"max_completion_tokens,omitempty"` // wins over max_tokens
	Logprobs            bool      `json:"logprobs,omitempty"`
	TopLogprobs         int       `json:"top_logprobs,omitempty"` // 0 to 20, needs Logprobs
	// ChatTemplateKwargs are extra variables of the model's chat template (an extension). Numbers are int64 or float64.
	ChatTemplateKwargs map[string]any `json:"chat_template_kwargs,omitempty"`
	Sampling

	// Ignored names the fields of the body that nobody documented, at most 32. They had no effect.
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
	Temperature      *float64        `json:"temperature,omitempty"` // 0 to 2; 0 is greedy
	TopP             *float64        `json:"top_p,omitempty"`       // 0 to 1
	N                *int            `json:"n,omitempty"`
	Stop             []string        `json:"stop,omitempty"`
	Stream           bool            `json:"stream,omitempty"`
	StreamOptions    *StreamSettings `json:"stream_options,omitempty"`
	Seed             *int64          `json:"seed,omitempty"`
	LogitBias        map[int]float64 `json:"logit_bias,omitempty"` // token id to -100..100
	PresencePenalty  *float64        `json:"presence_penalty,omitempty"`
	FrequencyPenalty *float64        `json:"frequency_penalty,omitempty"`

	RepetitionPenalty *float64 `json:"repetition_penalty,omitempty"`   // (0, 10], 1 is off
	NoRepeatNgramSize *int     `json:"no_repeat_ngram_size,omitempty"` // 0 is off
	TopK              *int     `json:"top_k,omitempty"`                // 0 is off
	MinP              *float64 `json:"min_p,omitempty"`                // 0 to 1, 0 is off
	IgnoreEOS         bool     `json:"ignore_eos,omitempty"`
}

// StreamSettings is the field stream_options.
type StreamSettings struct {
	IncludeUsage bool `json:"include_usage,omitempty"`
}

// Message is one message of the conversation. Text parts of a request are joined into Content.
type Message struct {
	Role    string `json:"role"` // developer, system, user, assistant
	Content string `json:"content"`
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
	Logprobs     *Logprobs       `json:"logprobs"`      // null unless asked for
	FinishReason string          `json:"finish_reason"` // stop, length
}

// ResponseMessage is an answer. The specification requires refusal to be present, so it is not left out when null.
type ResponseMessage struct {
	Role        string       `json:"role"`
	Content     string       `json:"content"`
	Refusal     *string      `json:"refusal"`
	Annotations []Annotation `json:"annotations"`
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
	Role    string           `json:"role,omitempty"`
	Content *string          `json:"content,omitempty"`
	Refusal Nullable[string] `json:"refusal,omitzero"`
}
