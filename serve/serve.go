// Package serve answers an OpenAI-style HTTP API from language models. A [Pool] loads models by name and keeps them; a
// [Handler] speaks the API; a [Model] is all that the two know of what generates the text.
//
//	pool, err := serve.NewPool(load, serve.PoolOptions{List: list}) // load: func(ctx, id) (serve.Model, error)
//	h, err := serve.NewHandler(pool, serve.HandlerOptions{Logger: log})
//	mux.Handle("/ai/", http.StripPrefix("/ai", h)) // clients use https://host/ai/v1
//	…
//	err = h.Shutdown(ctx) // answers what runs, refuses the rest, frees the models
//
// The handler owns no listener, no http.Server and no flags; it sets its time limits through
// http.NewResponseController, so that those of the host's server cut neither a slow model nor a long stream. CORS,
// TLS and rate limits are the host's.
//
// Pool and Handler are safe for concurrent use, and a Model must be.
package serve

import (
	"context"
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
	// with one Delta that has Finish. An error is the last element: a *TemplateError, a *ContextLengthError, ErrBusy,
	// ErrQueueTimeout, ErrClosed, the context's, or anything else, which is the server's fault.
	Generate(ctx context.Context, r Request) iter.Seq2[Delta, error]
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
}

// Request is one conversation to be answered N times.
type Request struct {
	Messages     []Message      // at most one system message, and it leads; at least one user message
	TemplateArgs map[string]any // extra variables of the chat template; values as in JSON, numbers int64 or float64
	Sampling     Sampling
	N            int           // choices, at least 1; choice i draws with seed Seed+i
	MaxTokens    int           // for each choice, at least 1; the model lowers it to what the context has room for
	MaxTime      time.Duration // of generation, after the queue; then choices end with FinishLength; 0 = no limit
	Stop         []string      // the text ends before the earliest match
	IgnoreEOS    bool
	Logprobs     bool // fill Delta.Tokens
	TopLogprobs  int  // alternatives for each token, 0 to 20
}

// Message is one turn: role system, user or assistant. The text is data: control tokens in it mean nothing.
type Message struct{ Role, Content string }

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
	Tokens  []TokenLogprob
	Sampled int    // tokens sampled for this choice since its last Delta, end of sequence and stop strings included
	Finish  Finish // on the last Delta of a choice, and only there
}

// Start tells what is known once the prompt is accepted.
type Start struct {
	PromptTokens    int
	CachedTokens    int // of these, taken from the prefix cache
	MaxTokens       int // that each choice may have: Request.MaxTokens or less
	DroppedMessages int // that the prompt form had no place for
}

// Finish is why a choice ended.
type Finish string

const (
	FinishStop   Finish = "stop"   // end of sequence, or a stop string
	FinishLength Finish = "length" // MaxTokens, MaxTime, or the context is full
)

// TokenLogprob is a returned token with the natural logarithm of its probability in the model's own distribution,
// before temperature, penalties and bias.
type TokenLogprob struct {
	ID      int
	Bytes   []byte // exact; may be a part of a character
	Logprob float64
	Top     []TokenLogprob // most likely first; Top of these is nil
}
