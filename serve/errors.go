package serve

import (
	"errors"
	"fmt"
	"time"

	"github.com/docent-ml/docent/openai"
)

// What a Model, a LoadFunc and a Pool report, and the status the handler makes of it.
var (
	ErrModelNotFound = errors.New("serve: no such model")              // 404
	ErrEmptyPrompt   = errors.New("serve: the prompt has no tokens")   // 422
	ErrBusy          = errors.New("serve: the queue is full")          // 429
	ErrQueueTimeout  = errors.New("serve: waited too long in a queue") // 503
	ErrClosed        = errors.New("serve: closed")                     // 503
	ErrBadModel      = errors.New("serve: the model cannot be used")   // 503, and clients are told not to retry
	errGone          = errors.New("serve: the client has gone")
	errUnsent        = errors.New("serve: the client does not take its answer")
	errListFailed    = errors.New("serve: the model list is not known") // 503: whether the model exists cannot be told
)

// ContextLengthError says that the prompt leaves no room for one token: 400.
type ContextLengthError struct {
	PromptTokens, ContextLength int
	More                        bool // the prompt has more than PromptTokens: they were not all counted
}

func (e *ContextLengthError) Error() string {
	more := ""
	if e.More {
		more = "more than "
	}
	return fmt.Sprintf("the prompt has %s%d tokens, and the model's context length is %d: shorten the messages so that the answer has room",
		more, e.PromptTokens, e.ContextLength)
}

// TemplateError says that the chat template refuses the conversation: 400. Reason is the template's own message.
type TemplateError struct{ Reason string }

func (e *TemplateError) Error() string {
	return "the model's chat template refuses the conversation: " + e.Reason
}

// SchemaError says that a JSON Schema of the request has something that constrained decoding does not know: 422.
type SchemaError struct {
	Tool   int   // place in Request.Tools.List whose parameters it is; -1: the schema of Request.Format
	Path   []any // where in it: names and indices
	Reason string
}

func (e *SchemaError) Error() string { return "the schema is not supported: " + e.Reason }

// loadError is a failed load, fresh or remembered.
type loadError struct {
	id    string
	err   error
	retry time.Duration // until the load is tried again
}

func (e *loadError) Error() string { return fmt.Sprintf("serve: loading model %q: %v", e.id, e.err) }
func (e *loadError) Unwrap() error { return e.err }

// generateError marks what went wrong while a model was generating.
type generateError struct{ err error }

func (e *generateError) Error() string { return "serve: generating: " + e.err.Error() }
func (e *generateError) Unwrap() error { return e.err }

// panicError carries a panic of somebody else's code to where it is logged.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("serve: panic: %v", e.value) }

// apiError is what the client is told. Messages are fixed where err may hold a path or a prompt.
func apiError(err error) *openai.Error {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*ContextLengthError](err); ok {
		return openai.NewError(openai.CodeContextLengthExceeded, e.Error())
	}
	if e, ok := errors.AsType[*TemplateError](err); ok {
		return openai.NewError(openai.CodeTemplate, e.Error())
	}
	if e, ok := errors.AsType[*AdapterError](err); ok {
		return openai.NewError(openai.CodeValidation, e.Error()).WithParam(e.Field)
	}
	load, loading := errors.AsType[*loadError](err)
	switch {
	case errors.Is(err, errGone): // whoever ended the context may still read: a time limit of the host, say
		return openai.NewError(openai.CodeRequestTimeout, "the request was cancelled before its answer was complete")
	case errors.Is(err, ErrClosed):
		return retryLater(openai.CodeShuttingDown, "the server is shutting down", 5*time.Second)
	case errors.Is(err, ErrModelNotFound):
		return openai.NewError(openai.CodeModelNotFound, "the model does not exist").WithParam("model")
	case errors.Is(err, ErrBadModel):
		e := retryLater(openai.CodeModelUnavailable, "the model's files cannot be used", time.Minute)
		e.NoRetry = true
		return e
	case errors.Is(err, ErrQueueTimeout):
		return retryLater(openai.CodeQueueTimeout, "the request waited too long in the queue", 5*time.Second)
	case errors.Is(err, ErrBusy):
		return retryLater(openai.CodeQueueFull, "too many requests are waiting for this model", time.Second)
	case errors.Is(err, errListFailed):
		return retryLater(openai.CodeModelUnavailable, "the list of models is not available", 5*time.Second)
	case loading:
		return retryLater(openai.CodeModelUnavailable, "the model could not be loaded", load.retry)
	}
	_, panicked := errors.AsType[*panicError](err)
	if _, generating := errors.AsType[*generateError](err); generating && !panicked {
		e := openai.NewError(openai.CodeGenerationFailed, "the answer could not be generated")
		e.NoRetry = true
		return e
	}
	return openai.NewError(openai.CodeInternal, "an unexpected error happened")
}

func retryLater(code openai.Code, message string, after time.Duration) *openai.Error {
	e := openai.NewError(code, message)
	e.RetryAfter = max(after, time.Second)
	return e
}
