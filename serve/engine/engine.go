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
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gomlx/compute"
	"golang.org/x/sync/semaphore"

	"github.com/docent-ml/docent/internal/hub"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/grammar"
	"github.com/docent-ml/docent/internal/lm/infer"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/lora"
	"github.com/docent-ml/docent/serve"
)

// engineVersion is part of the fingerprint: it changes when the same weights would give other text.
const engineVersion = "5"

// Options are the settings of Load; all but Backend may be zero.
type Options struct {
	// Backend computes the model; the caller opens and finalizes it. On a CPU docent's own code computes instead wherever it
	// is the faster way: in place of the Go backend, and of XLA on x86-64 processors with AVX2. nil = that code, whatever
	// the processor.
	Backend   compute.Backend
	Precision lora.Precision
	Adapter   fs.FS // a PEFT adapter folder; nil = none
	// Merge adds the adapter, or that of a folder that is one, to the weights while they are loaded. Otherwise it is computed on
	// top of them: see Engine.Attach. An adapter that is merged costs no time and shares its model with no other.
	Merge bool

	// Like is an engine whose compiled graphs are used, if the model has the shape of its model and it is still open:
	// the next version of a model, or the base beside the tuned one, then compiles nothing.
	Like *Engine

	// Warm compiles what ordinary requests need before Load returns, so that the first ones do not wait for it.
	Warm bool

	// SampleOnDevice has the backend choose the tokens, so that no logits travel to the host; requests for log probabilities apart.
	// It agrees with the host's choice on XLA's CPU devices, and becomes the default of GPUs when it has run on one.
	SampleOnDevice bool

	// Bounds of the enums of one JSON Schema, which OpenAI has too; more are a *serve.SchemaError.
	MaxEnumValues int // of all enums together; 0 = 1,000
	MaxEnumText   int // characters of an enum of more than 250 values; 0 = 15,000

	Slots      int // sequences generated together; 0 = 8
	MaxContext int // most tokens of prompt and answer; 0 = what the model was made for
	// PrefixBytes bounds the memory that keeps the computed beginnings of prompts, such as a system message or the
	// conversation so far, for requests that begin alike; 0 = 256 MB, negative = none.
	PrefixBytes int64
	// HalfCache keeps keys and values in half precision, where docent's own code computes: a context takes half the memory. Of
	// SmolLM2-135M's logits at 400 positions none is off by more than 1/700 of the largest, and 399 have the same one on top.
	HalfCache bool
	MaxQueue  int // requests that wait for a slot; more are ErrBusy; 0 = 64
	// QueueTimeout is the longest such wait; then it is ErrQueueTimeout. 0 = one minute.
	QueueTimeout time.Duration

	Hub      lora.Hub
	Logger   *slog.Logger        // nil = discard
	Progress func(lora.Progress) // as in lora.BaseOptions
}

// Engine generates with one model on one device. Requests that come together are computed together: they join and
// leave the batch between tokens. It is safe for concurrent use.
type Engine struct {
	*batch
	model   *model.Model  // configuration, tokenizer and template
	adapter infer.Adapter // on top of the weights; nil = none
	info    serve.Info
	eos     map[int32]bool
	before  int                // special tokens that the model wants in front of a text
	behind  int                // and behind it
	calls   grammar.ToolFormat // how it calls functions
	told    bool               // by its template, of the functions; else by docent
	thinker thinker
	writes  func() (*grammar.Vocabulary, error) // made when it is first needed
	closed  bool                                // mu of the batch guards it
	gone    chan struct{}                       // closed when nothing of it is left
}

// Load opens the model that ref names, in the grammar of lora.OpenBase: "owner/name[@revision]", a folder, or a ".gguf"
// file. A folder that holds only a PEFT adapter is its base model with the adapter on top.
func Load(ctx context.Context, ref string, o Options) (*Engine, error) {
	e, err := NewLoader(o).Load(ctx, ref)
	if err == nil && e.adapter != nil {
		e.info.Bytes += e.bytes // it is alone with them
	}
	return e, err
}

// Attach returns an engine that answers with the PEFT adapter of a folder on top of the base model, in place of any adapter
// of e, and shares weights, slots and queue with e. Requests to all engines of one base are computed together. The last one
// that is closed frees the weights.
func (e *Engine) Attach(ctx context.Context, fsys fs.FS) (*Engine, error) {
	if e.isClosed() || !e.enter() {
		return nil, serve.ErrClosed
	}
	x, err := e.attach(ctx, fsys)
	if err != nil {
		return nil, loadFault(ctx, "adapter", err)
	}
	return x, nil
}

// adapter is what is to be put on top of which model.
func (o Options) adapter(ref string) (base string, onTop fs.FS, err error) {
	base, folder, err := model.AdapterFolder(ref)
	switch {
	case err != nil:
		return "", nil, err
	case folder != "" && o.Adapter != nil:
		return "", nil, fmt.Errorf("the folder is itself an adapter: give its base model %q with the other adapter", base)
	case o.Merge || folder == "" && o.Adapter == nil:
		return ref, nil, nil
	case o.Adapter != nil:
		return ref, o.Adapter, nil
	default:
		return base, os.DirFS(folder), nil
	}
}

// open opens a model whole.
func (o Options) open(ctx context.Context, ref string) (*Engine, error) {
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	mo := model.Options{
		Hub: hub.Options{CacheDir: o.Hub.CacheDir, Token: o.Hub.Token, Endpoint: o.Hub.Endpoint, Offline: o.Hub.Offline, HTTP: o.Hub.HTTP, Logger: log}}
	if o.Progress != nil {
		mo.Progress = func(stage string, done, total int64) {
			o.Progress(lora.Progress{Stage: stage, Done: done, Total: total})
		}
	}
	own, err := o.device(&mo)
	if err != nil {
		return nil, err
	}
	if o.Adapter != nil && o.Merge {
		if mo.Adapter, err = adapter.Load(o.Adapter); err != nil {
			return nil, err
		}
	}
	m, err := model.Open(ctx, ref, mo)
	if err != nil {
		return nil, err
	}
	if m.LeftAside > 0 {
		log.Info("only the text part of the model is computed", "model", ref, "weights_left_aside", m.LeftAside)
	}
	e, err := o.start(m, own)
	if err != nil {
		m.Close()
	}
	return e, err
}

// New is an engine that answers with a base model that package lora has opened, on its device and in its precision, and shares
// its weights: what is trained on the base goes on top with [Engine.Attach]. The engine must be closed before the base. Options
// that say how a model is opened are ignored.
func New(b *lora.Base, o Options) (*Engine, error) {
	m, own, backend := b.Opened()
	o.Backend = backend
	e, err := o.start(m, own)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	e.borrowed = true
	return e, nil
}

// start begins to serve an opened model, whose weights own has or, where that is nil, the backend.
func (o Options) start(m *model.Model, own *cpu.Weights) (*Engine, error) {
	if m.Tokenizer == nil {
		return nil, fmt.Errorf("%w: the folder has no tokenizer.json", serve.ErrBadModel)
	}
	slots, programs := o.slots(m, own)
	b := o.newBatch(m, slots)
	b.programs, b.numerics = programs, o.numerics(m, own)
	if own != nil {
		b.bytes = own.Bytes()
		b.log.Info("computing with docent's own code for CPUs", "model", m.Ref.String(), "storage", own.Storage(), "kernels", own.Kernels())
	}
	if o.Warm {
		began := time.Now()
		if err := slots.Warm(); err != nil {
			slots.Close()
			return nil, err
		}
		b.log.Info("warmed up", "model", m.Ref.String(), "graphs", programs.Compiled(), "duration", time.Since(began))
	}
	e := newEngine(b, m)
	e.info.Bytes = b.bytes
	go b.run()
	return e, nil
}

// newBatch puts together what computes an opened model, for one engine. Its run starts it.
func (o Options) newBatch(m *model.Model, slots infer.Slots) *batch {
	b := &batch{opened: m, slots: slots, context: slots.Context(), log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), engines: 1, wake: make(chan struct{}, 1), noDrafts: m.Config.Border() > 0,
		limits:   grammar.Limits{EnumValues: o.MaxEnumValues, EnumText: o.MaxEnumText},
		maxQueue: cmp.Or(o.MaxQueue, 64), patience: cmp.Or(o.QueueTimeout, time.Minute)}
	b.busy = semaphore.NewWeighted(int64(max(1, runtime.GOMAXPROCS(0)/2)))
	b.grammars.Busy = b.busy
	for _, w := range m.Weights {
		b.bytes += w.ByteSize()
	}
	return b
}

// newEngine is an engine of a batch that m describes. It has been counted.
func newEngine(b *batch, m *model.Model) *Engine {
	e := &Engine{batch: b, model: m, eos: map[int32]bool{}, gone: make(chan struct{})}
	for _, id := range m.EOS() {
		e.eos[int32(id)] = true
	}
	e.before, e.behind = specialTokens(m.Tokenizer)
	e.info = describe(m, b.context)
	e.info.Fingerprint = fingerprint(m, b.numerics)
	if e.calls, e.told = e.findTools(); !e.told {
		e.calls = ownCalls
	}
	e.thinker = newThinker(m.Chat, m.Tokenizer)
	e.info.Tools, e.info.Constrained = true, true
	e.writes = sync.OnceValues(e.newVocabulary)
	return e
}

// loadFault tells a model that is broken, which no retry mends, from one that could not be reached.
func loadFault(ctx context.Context, what string, err error) error {
	for _, broken := range []error{lm.ErrUnsupported, text.ErrFormat, text.ErrUnsupported, adapter.ErrFormat} {
		if ctx.Err() == nil && errors.Is(err, broken) {
			return fmt.Errorf("engine: load %s: %w: %w", what, serve.ErrBadModel, err)
		}
	}
	return fmt.Errorf("engine: load %s: %w", what, err)
}

func describe(m *model.Model, context int) serve.Info {
	info := serve.Info{BaseModel: m.Base, ContextLength: context, VocabSize: m.Config.VocabSize, Prompt: serve.PromptPlain}
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
	sum := sha256.Sum256([]byte(engineVersion + numerics + m.Mark + m.OnTop.Digest() + source))
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
		j := e.newJob(ctx, r)
		defer e.abandon(j)
		if err := e.admit(j); err != nil {
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
	o := text.RenderOptions{AddGenerationPrompt: true, Kwargs: r.TemplateArgs, MostTokens: e.context}
	if !e.told {
		r.Messages = ownForm(r.Messages, r.Tools.List)
	} else if len(r.Tools.List) > 0 {
		o.Tools = templateTools(r.Tools.List)
	}
	messages := text.JoinSystem(templateMessages(r.Messages))
	if e.model.Chat == nil {
		prompt, dropped := text.QAPrompt(messages)
		return e.model.Tokenizer.AtMost(e.context).EncodeQA(prompt), dropped, nil
	}
	ids, err = e.model.Chat.Encode(e.addressed(messages, o), o)
	if errors.Is(err, text.ErrTemplate) {
		return nil, 0, &serve.TemplateError{Reason: err.Error()}
	}
	return ids, 0, err
}

// addressed makes a lone system message one of the user, for templates that show it in front of a user's message or refuse
// a conversation without one.
func (e *Engine) addressed(messages []text.Message, o text.RenderOptions) []text.Message {
	if len(messages) != 1 || messages[0].Role != "system" {
		return messages
	}
	prompt, err := e.model.Chat.Render(messages, o)
	if err == nil && strings.Contains(prompt, strings.TrimSpace(messages[0].Content)) {
		return messages
	}
	asked := messages[0]
	asked.Role = "user"
	return []text.Message{asked}
}

func (e *Engine) isClosed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closed
}

// Close ends the requests of this engine with ErrClosed, and frees the model if no other engine shares it. It returns when
// that is done, and may be called more than once.
func (e *Engine) Close() error {
	e.leave(e)
	<-e.gone
	return nil
}
