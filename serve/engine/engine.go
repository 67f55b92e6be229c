package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gomlx/compute"

	"github.com/docent-ml/docent/internal/hub"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/serve"
)

// engineVersion is part of the fingerprint: it changes when the same weights would give other text.
const engineVersion = "4"

// Options are the settings of Load; all but Backend may be zero.
type Options struct {
	// Backend computes the model; the caller opens and finalizes it. On a CPU docent's own code computes instead wherever it
	// is the faster way: in place of the Go backend, and of XLA on x86-64 processors with AVX2. nil = that code, whatever
	// the processor.
	Backend compute.Backend
	// Precision is "f32", "bf16", or "int8", which rounds the weights to 8 bits with a scale for each 32, as GGUF's Q8_0,
	// and is computed by docent's own code; "" = f32 on a CPU, bf16 on an accelerator.
	Precision string
	Adapter   fs.FS // a PEFT adapter folder that is merged into the weights; nil = none

	// Like is an engine whose compiled graphs are used, if the model has the shape of its model and it is still open:
	// the next version of a model, or the base beside the tuned one, then compiles nothing.
	Like *Engine

	// Warm compiles what ordinary requests need before Load returns, so that the first ones do not wait for it.
	Warm bool

	// SampleOnDevice has the backend choose the tokens, so that no logits travel to the host; requests for log
	// probabilities apart. Not yet tried on a GPU.
	SampleOnDevice bool

	Slots      int // sequences generated together; 0 = 8
	MaxContext int // most tokens of prompt and answer; 0 = what the model was made for
	// PrefixBytes bounds the memory that keeps the computed beginnings of prompts, such as a system message or the
	// conversation so far, for requests that begin alike; 0 = 256 MB, negative = none.
	PrefixBytes int64
	MaxQueue    int // requests that wait for a slot; more are ErrBusy; 0 = 64
	// QueueTimeout is the longest such wait; then it is ErrQueueTimeout. 0 = one minute.
	QueueTimeout time.Duration

	// For references to the Hugging Face Hub.
	CacheDir string // folder of downloaded models
	Token    string
	Endpoint string // "" = https://huggingface.co
	Offline  bool
	HTTP     *http.Client

	Logger   *slog.Logger // nil = discard
	Progress func(stage string, done, total int64)
}

// Engine generates with one model on one device. Requests that come together are computed together: they join and
// leave the batch between tokens. It is safe for concurrent use.
type Engine struct {
	model    *model.Model
	slots    infer.Slots
	programs *infer.Programs // nil where docent's own code computes
	context  int
	info     serve.Info
	eos      map[int32]bool
	prefix   int                 // special tokens that the model wants in front of a text
	calls    *grammar.ToolFormat // nil: the template knows no functions
	grammars grammar.Cache
	writes   func() (*grammar.Vocabulary, error) // made when it is first needed
	log      *slog.Logger

	mu       sync.Mutex
	waiting  []*job // first come, first served
	maxQueue int
	patience time.Duration
	closing  error         // set once no more jobs are taken
	wake     chan struct{} // capacity 1: there is something new to look at
	done     chan struct{} // closed when the loop has ended and everything is freed
}

// Load opens the model that ref names, in the grammar of lora.OpenBase: "owner/name[@revision]", a folder, or a ".gguf"
// file. A folder that holds only a PEFT adapter is its base model with the adapter merged in.
func Load(ctx context.Context, ref string, o Options) (*Engine, error) {
	log := o.logger()
	mo := model.Options{Progress: o.Progress,
		Hub: hub.Options{CacheDir: o.CacheDir, Token: o.Token, Endpoint: o.Endpoint, Offline: o.Offline, HTTP: o.HTTP, Logger: log}}
	own, err := o.device(&mo)
	if err != nil {
		return nil, fmt.Errorf("engine: load %s: %w", ref, err)
	}
	if o.Adapter != nil {
		a, err := adapter.Load(o.Adapter)
		if err != nil {
			return nil, fmt.Errorf("engine: load %s: %w: %w", ref, serve.ErrBadModel, err)
		}
		mo.Adapter = a
	}
	m, err := model.Open(ctx, ref, mo)
	if err != nil {
		return nil, loadFault(ctx, err)
	}
	if m.Tokenizer == nil {
		m.Close()
		return nil, fmt.Errorf("engine: load %s: %w: the folder has no tokenizer.json", ref, serve.ErrBadModel)
	}
	if own != nil {
		log.Info("computing with docent's own code for CPUs", "model", ref, "int8", o.Precision == "int8", "vector_code", cpu.Fast())
	}
	slots, programs, err := o.slots(m, own)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("engine: load %s: %w", ref, err)
	}
	if o.Warm {
		began := time.Now()
		if err := slots.Warm(); err != nil {
			slots.Close()
			m.Close()
			return nil, fmt.Errorf("engine: load %s: %w", ref, err)
		}
		log.Info("warmed up", "model", ref, "graphs", programs.Compiled(), "duration", time.Since(began))
	}
	e := newEngine(m, slots, o)
	e.programs = programs
	if own != nil {
		e.info.Bytes = own.Bytes()
	}
	e.info.Fingerprint = fingerprint(m, o.numerics(own, mo.DType))
	go e.run()
	return e, nil
}

// newEngine puts an engine together; run starts it.
func newEngine(m *model.Model, slots infer.Slots, o Options) *Engine {
	e := &Engine{
		model: m, slots: slots, context: slots.Context(), eos: map[int32]bool{}, log: o.logger(),
		maxQueue: cmp.Or(o.MaxQueue, 64), patience: cmp.Or(o.QueueTimeout, time.Minute), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	for _, id := range m.EOS() {
		e.eos[int32(id)] = true
	}
	e.prefix = specialPrefix(m.Tokenizer)
	e.info = describe(m, e.context)
	if f, ok := e.findTools(); ok {
		e.calls, e.info.Tools = &f, true
	}
	e.info.Constrained = true
	e.writes = sync.OnceValues(e.newVocabulary)
	return e
}

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

// loadFault tells a model that is broken, which no retry mends, from one that could not be reached.
func loadFault(ctx context.Context, err error) error {
	if ctx.Err() == nil && (errors.Is(err, lm.ErrUnsupported) || errors.Is(err, text.ErrFormat) || errors.Is(err, text.ErrUnsupported) || errors.Is(err, adapter.ErrFormat)) {
		return fmt.Errorf("engine: %w: %w", serve.ErrBadModel, err)
	}
	return fmt.Errorf("engine: %w", err)
}

func describe(m *model.Model, context int) serve.Info {
	info := serve.Info{BaseModel: m.Base, ContextLength: context, VocabSize: m.Config.VocabSize, Prompt: serve.PromptPlain}
	for _, w := range m.Weights {
		info.Bytes += w.ByteSize()
	}
	switch {
	case m.Chat != nil:
		info.Prompt = serve.PromptChat
	case m.QA:
		info.Prompt = serve.PromptQA
	}
	info.Defaults = defaults(m.Generation)
	return info
}

// fingerprint changes with all that makes the same request give other text.
func fingerprint(m *model.Model, numerics string) string {
	source := ""
	if m.Chat != nil {
		source = m.Chat.Source()
	}
	sum := sha256.Sum256([]byte(engineVersion + numerics + m.Digest + source))
	return "fp_" + hex.EncodeToString(sum[:5])
}

// defaults are those of the model's generation config; a model that was made to be decoded greedily is.
func defaults(g lm.Generation) *serve.Sampling {
	if g.Sample == nil && g.Temperature == nil && g.TopP == nil && g.TopK == nil && g.RepetitionPenalty == nil && g.MinP == nil {
		return nil
	}
	s := &serve.Sampling{Temperature: 1}
	override(&s.Temperature, g.Temperature)
	override(&s.TopP, g.TopP)
	override(&s.TopK, g.TopK)
	override(&s.MinP, g.MinP)
	override(&s.RepetitionPenalty, g.RepetitionPenalty)
	return s
}

func override[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// Info describes the model.
func (e *Engine) Info() serve.Info { return e.info }

// Generate implements Model.
func (e *Engine) Generate(ctx context.Context, r serve.Request) iter.Seq2[serve.Delta, error] {
	return func(yield func(serve.Delta, error) bool) {
		j, err := e.newJob(ctx, r)
		if err == nil {
			err = e.enqueue(j)
		}
		if err != nil {
			yield(serve.Delta{}, err)
			return
		}
		defer e.abandon(j)
		if err := j.await(e.patience); err != nil {
			yield(serve.Delta{}, err)
			return
		}
		for {
			deltas, err, ended := j.out.take(ctx)
			for _, d := range deltas {
				if !yield(d, nil) {
					return
				}
			}
			if err != nil {
				yield(serve.Delta{}, err)
				return
			}
			if ended {
				return
			}
		}
	}
}

// prompt renders and tokenises a conversation, or a text that is to be continued.
func (e *Engine) prompt(r serve.Request) (ids []int32, dropped int, err error) {
	if r.Prompt != nil {
		ids, _ = e.encode(*r.Prompt)
		return ids, 0, nil
	}
	messages, o := text.JoinSystem(templateMessages(r.Messages)), text.RenderOptions{AddGenerationPrompt: true, Kwargs: r.TemplateArgs}
	if len(r.Tools.List) > 0 {
		if e.calls != nil {
			o.Tools = templateTools(r.Tools.List)
		} else {
			messages = toldOfTools(messages, r.Tools.List)
		}
	}
	if e.model.Chat == nil {
		prompt, dropped := text.QAPrompt(messages)
		return e.model.Tokenizer.EncodeQA(prompt), dropped, nil
	}
	ids, err = e.model.Chat.Encode(messages, o)
	if errors.Is(err, text.ErrTemplate) {
		return nil, 0, &serve.TemplateError{Reason: err.Error()}
	}
	return ids, 0, err
}

// enqueue puts a job in the line, if there is room.
func (e *Engine) enqueue(j *job) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing != nil {
		return e.closing
	}
	if len(e.waiting) >= e.maxQueue {
		e.dropAbandoned()
	}
	if len(e.waiting) >= e.maxQueue {
		return serve.ErrBusy
	}
	e.waiting = append(e.waiting, j)
	e.signal()
	return nil
}

// dropAbandoned takes out of the line whom nobody waits for. The caller holds mu.
func (e *Engine) dropAbandoned() {
	e.waiting = slices.DeleteFunc(e.waiting, func(j *job) bool { return j.ctx.Err() != nil })
}

// abandon tells the loop that nobody listens any more.
func (e *Engine) abandon(j *job) {
	j.cancel()
	e.signal()
}

func (e *Engine) signal() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Close ends running requests with ErrClosed and frees the model. It returns when that is done, and may be called more
// than once.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closing == nil {
		e.closing = serve.ErrClosed
	}
	e.mu.Unlock()
	e.signal()
	<-e.done
	return nil
}
