// Package serve answers an OpenAI-style HTTP API from language models. A [Pool] loads models by name and keeps them; a
// [Handler] speaks the API; a [Model] is all that the two know of what generates the text: package serve/engine has docent's own.
//
//	pool, err := serve.NewPool(load, serve.PoolOptions{List: list}) // load: func(ctx, id) (serve.Model, error)
//	h, err := serve.NewHandler(pool, serve.HandlerOptions{Logger: log})
//	mux.Handle("/ai/", http.StripPrefix("/ai", h)) // clients use https://host/ai/v1
//	…
//	err = h.Shutdown(ctx) // answers what runs, refuses the rest, frees the models
//
// The routes are those of OpenAI's API for chat completions, completions, embeddings, responses and models, and /health,
// /openapi.json and, with a [Metrics], /metrics. A Model that is also an [Embedder] makes embeddings.
//
// The handler owns no listener, no http.Server and no flags; it sets its time limits through
// http.NewResponseController, so that those of the host's server cut neither a slow model nor a long stream. TLS is the
// host's; keys, rate limits and CORS are options that are off unless asked for.
//
// Pool and Handler are safe for concurrent use, and a Model must be.
package serve

import (
	"context"
	"encoding/json"
	"iter"
	"time"
)

// Model generates text. Its methods are called from many goroutines at once. A Model that is also an io.Closer is
// closed when the pool lets go of it, never while a Generate runs.
type Model interface {
	Info() Info

	// Generate answers one request. Single use; leaving the loop, or the end of ctx, frees all that the request holds
	// within one token.
	//
	// The first Delta comes when nothing can fail early any more: the prompt is rendered, tokenised and short enough,
	// and the request has left the queue. It carries Start. Deltas of the N choices may interleave; each choice ends
	// with one Delta that has Finish. An error is the last element: a *TemplateError, a *ContextLengthError, a
	// *SchemaError, ErrEmptyPrompt, ErrBusy, ErrQueueTimeout, ErrClosed, the context's, or anything else, which is the server's fault.
	Generate(ctx context.Context, r Request) iter.Seq2[Delta, error]
}

// Embedder is a Model that also turns texts into vectors. Without it, the embeddings route refuses the model.
type Embedder interface {
	Model

	// Embed returns the vector of unit length for one text, and of how many tokens it was made. Errors are those of
	// Generate.
	Embed(ctx context.Context, in Prompt) (vector []float32, tokens int, err error)
}

// PromptMode says how a conversation becomes a prompt.
type PromptMode string

const (
	PromptChat  PromptMode = "chat"  // the model's own chat template
	PromptQA    PromptMode = "qa"    // the context/question prompt that the model was trained with
	PromptPlain PromptMode = "plain" // neither is known: a generic form; /health says no_chat_template
)

// Info describes a loaded model. It is cheap to ask for.
type Info struct {
	Fingerprint   string // "fp_…": a hash of weights, adapter, template and engine version
	BaseModel     string // "" = not known
	ContextLength int    // tokens, prompt and answer together; 0 = not known
	VocabSize     int    // bounds the ids of logit_bias; 0 = not checked
	Bytes         int64  // memory held
	Prompt        PromptMode
	Defaults      *Sampling // of the model's generation config; nil = temperature 1 and nothing else
	Tools         bool      // it can be told of functions, and call them
	Constrained   bool      // Format and forced calls are obeyed
}

// Request is one conversation to be answered, or one text to be continued, N times.
type Request struct {
	Messages     []Message      // at least one of a user; the model joins system messages, wherever they stand, into one in front
	TemplateArgs map[string]any // extra variables of the chat template; values as in JSON, numbers int64 or float64
	Prompt       *Prompt        // instead of all Messages: to be continued as it is
	Echo         bool           // of a Prompt: Start tells its text and, with Logprobs, its tokens
	Tools        Tools          // of a conversation
	Format       Format
	Sampling     Sampling
	N            int           // choices; 0 = 1; choice i draws with seed Seed+i
	MaxTokens    int           // for each choice; 0 = as many as the context has room for, which are the most in any case
	MaxTime      time.Duration // of generation, after the queue; then choices end with FinishLength; 0 = no limit
	Stop         []string      // the text ends before the earliest match
	IgnoreEOS    bool
	Logprobs     bool // fill Delta.Tokens
	TopLogprobs  int  // alternatives for each token, 0 to 20
}

// Message is one turn: role system, user, assistant or tool. The text is data: control tokens in it mean nothing.
type Message struct {
	Role, Content string
	Reasoning     string // what the assistant thought before it answered, for models that want to see it again
	Calls         []Call // that the assistant made
	CallID        string // of a tool's message: the call that it answers
}

// Call is one call of a function. Arguments is the text of a JSON object.
type Call struct{ ID, Name, Arguments string }

// Prompt is a text, or the ids of its tokens.
type Prompt struct {
	Text   string
	Tokens []int // win over Text
}

// Tools are the functions that the model may call. The zero value has none.
type Tools struct {
	List []Tool
	Must bool   // the answer is at least one call
	Only string // the answer is one call of this function
	One  bool   // at most one call
}

// Tool is a function as the model sees it. Parameters is a JSON Schema, nil for a function without any. What of it cannot be
// kept is refused if Strict, and but for unknown keywords if a call is demanded; else it is ignored, and Start says so.
type Tool struct {
	Name, Description string
	Parameters        json.RawMessage
	Strict            bool
}

// Format constrains the text of an answer. The zero value does not. With Tools that may be called, the answer is calls or
// such a text; with a call that is demanded, it means nothing.
type Format struct {
	JSON   bool            // the text is one JSON object, or what Schema says
	Schema json.RawMessage // nil: any object
	Strict bool            // what of Schema cannot be kept is refused, and not ignored
}

// Sampling says how the next token is chosen. The zero value is greedy, with everything off.
type Sampling struct {
	Temperature       float64         // 0 = greedy, ties to the lowest id
	TopK              int             // 0 = off
	TopP              float64         // 0 or 1 = off
	MinP              float64         // 0 = off
	RepetitionPenalty float64         // over prompt and answer, as in Hugging Face; 0 or 1 = off
	NoRepeatNgram     int             // over prompt and answer, as in Hugging Face; 0 = off
	PresencePenalty   float64         // over the answer
	FrequencyPenalty  float64         // over the answer
	LogitBias         map[int]float64 // token id to what is added to its logit
	Seed              *uint64         // nil = a random one
}

// Delta is a piece of the answer.
type Delta struct {
	Start   *Start // on the first Delta of the request, and only there
	Choice  int    // 0 to N-1
	Text    string // whole characters that can no longer become part of a stop string
	Call    *CallDelta
	Tokens  []TokenLogprob // of Text
	Sampled int            // tokens sampled for this choice since its last Delta, end of sequence and stop strings included
	Drafted int            // tokens computed ahead since the last Delta, because the answer might quote
	Kept    int            // tokens computed ahead that became the answer's since then
	Finish  Finish         // on the last Delta of a choice, and only there

	Reasoning string // what the model thinks, before all Text and Call
	Thought   int    // of Sampled, tokens of Reasoning
}

// CallDelta is a piece of a function call. The first piece of a call has its name; the arguments of all pieces join to
// one JSON text.
type CallDelta struct {
	Index     int // of the call in its choice, counted from 0; a call is complete before the next one begins
	Name      string
	Arguments string
}

// Start tells what is known once the prompt is accepted.
type Start struct {
	PromptTokens    int
	CachedTokens    int // of these, taken from the prefix cache
	MaxTokens       int // that each choice may have: Request.MaxTokens or less
	DroppedMessages int // that the prompt form had no place for
	Ignored         []IgnoredKeyword
	Grammar         time.Duration // that finding the form of the answer took, before the queue

	// With Request.Echo: the prompt's text and, with Request.Logprobs, its tokens. Nothing predicts the first token: its
	// Logprob is NaN, and it has no Top.
	EchoText   string
	EchoTokens []TokenLogprob
}

// IgnoredKeyword is a place in a schema that the answer is not kept to.
type IgnoredKeyword struct {
	Tool int   // of Request.Tools.List, whose Parameters have it; -1: Format.Schema
	Path []any // keys and list positions that lead there; empty: all of the schema
}

// Finish is why a choice ended.
type Finish string

const (
	FinishStop   Finish = "stop"   // end of sequence, or a stop string
	FinishLength Finish = "length" // MaxTokens, MaxTime, or the context is full

	FinishToolCalls Finish = "tool_calls" // the choice ends with function calls
)

// TokenLogprob is a returned token with the natural logarithm of its probability in the model's own distribution,
// before temperature, penalties and bias.
type TokenLogprob struct {
	ID      int
	Bytes   []byte // exact; may be a part of a character
	Logprob float64
	Top     []TokenLogprob // most likely first; Top of these is nil
}
