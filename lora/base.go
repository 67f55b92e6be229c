// Package lora fine-tunes causal language models with low-rank adapters (Hu et al. 2021), by docent's own code for CPUs or
// on any gomlx backend, and exports what it learns as PEFT adapters or merged Hugging Face model folders. Losses, gradients
// and updates are those of transformers with PEFT and torch.optim.AdamW.
//
//	base, err := lora.OpenBase(ctx, "HuggingFaceTB/SmolLM2-135M-Instruct", lora.BaseOptions{Hub: lora.Hub{CacheDir: cache}})
//	…
//	trainer, err := lora.NewTrainer(base, lora.DefaultConfig(), lora.Options{Dir: "artifacts_tmp"})
//	…
//	examples, err := trainer.Tokenize(ctx, dataset.ReadFile[dataset.Row](os.DirFS("data"), "train.jsonl"))
//	…
//	result, err := trainer.Train(ctx, examples, nil)
//	…
//	adapter, err := trainer.Adapter()
//	err = lora.Merge(ctx, base, adapter, "model_out", lora.MergeOptions{})
//
// The loop can be the caller's instead: for step, err := range trainer.Steps(ctx, examples) { … }.
//
// Config has what PEFT has beside plain LoRA: DoRA, rsLoRA, LoRA+, embeddings, heads and biases that are trained, rows of tokens,
// and the starts PiSSA and OLoRA. Adapters of these kinds are read from PEFT's files, and merged; one that is more than low-rank
// updates of projections is served merged.
//
// A Base, a Trainer and an Adapter belong to one goroutine at a time. The package does not choose a device, read the
// environment, or print. It trains on several devices of one host (Options.AllDevices), not on several hosts.
package lora

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"github.com/docent-ml/docent/internal/hub"
	"github.com/docent-ml/docent/internal/lm/cpu"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Precision is how the weights and activations of the base model are held. Adapters, their gradients and the
// optimizer's moments are always float32, and so are the activations where docent's own code for CPUs computes, but what training
// multiplies with weights in BF16 is rounded to it.
type Precision string

// The precisions. The last three are of docent's own code for CPUs. Package lora trains on graphs of XLA with Int8 and Int4 too: the
// matrices of the layers are held so and computed with as an accelerator computes BF16, or a CPU F32; the other weights are of that type.
const (
	Auto Precision = ""    // BF16 on an accelerator, and by docent's own code on a CPU with AMX; F32 on other CPUs, whose bfloat16 is slower
	F32  Precision = "f32" // 4 bytes a weight
	BF16 Precision = "bf16"
	Int8 Precision = "int8" // 8 bits a weight and a scale for each 32, as GGUF's Q8_0; see below
	Int4 Precision = "int4" // 4 bits a weight, a scale and a minimum for each 32, as GGUF's Q4_1, and those of tokens Int8
	// Stored keeps weights of the types Q8_0, Q4_0, Q4_1, Q4_K, Q5_K and Q6_K as a GGUF file has them, and others as F32.
	// An adapter is then trained on the very numbers that llama.cpp computes with.
	Stored Precision = "stored"
)

// Hub says how models are fetched from the Hugging Face Hub. References to folders and files need none of it.
type Hub struct {
	CacheDir string // folder of downloaded models, shared with Python's huggingface_hub
	Token    string // for private and gated models
	Endpoint string // "" = https://huggingface.co
	Offline  bool   // use only what is in CacheDir
	HTTP     *http.Client
}

// BaseOptions say where a base model comes from and where it is put.
type BaseOptions struct {
	// Backend computes; the caller opens and finalizes it. On a GPU "xla:cuda,tf32=false" makes F32 what PEFT computes: without
	// the option gomlx multiplies float32 with 10 bits of mantissa. Nil is docent's own code for CPUs, which compiles nothing and on
	// x86-64 is faster than any backend there in F32.
	Backend   compute.Backend
	Precision Precision
	Hub       Hub
	Logger    *slog.Logger   // nil = discard
	Progress  func(Progress) // downloads in bytes and loading in weights; called synchronously
}

// Base is a base model on a device, frozen.
type Base struct {
	model     *model.Model
	backend   compute.Backend
	cpu       *cpu.Weights // instead of a backend
	precision Precision
	digest    string
	log       *slog.Logger
}

// ModelInfo describes a base model.
type ModelInfo struct {
	Ref           string // as given to OpenBase, in canonical form
	Architecture  string // model_type of its config.json, such as llama
	Parameters    int
	Layers        int
	ContextLength int // tokens
	VocabSize     int
	Precision     Precision
	Digest        string // SHA-256 over all weights as float32
	Commit        string // of a model from the Hub; "" = it is from elsewhere
	Licence       string // as the model's files name it; "" = they do not
}

// OpenBase loads the model that ref names: "owner/name[@revision]" on the Hugging Face Hub, a folder in Hugging Face
// layout ("./model", "/models/x"), or a ".gguf" file; "hf:", "dir:" and "gguf:" say it outright. A folder that holds
// only an adapter is its base model with the adapter merged in.
//
// A model that docent would compute wrongly is refused with ErrArchitecture, one that docent's own code has no memory for with
// ErrMemory. The context is checked between weights.
func OpenBase(ctx context.Context, ref string, o BaseOptions) (*Base, error) {
	b := &Base{backend: o.Backend, precision: o.Precision, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler))}
	dtype, err := b.choosePrecision(cpu.Tiles)
	if err != nil {
		return nil, err
	}
	mo := model.Options{Backend: o.Backend, DType: dtype, Packed: packed(b.precision),
		Hub: hub.Options{CacheDir: o.Hub.CacheDir, Token: o.Hub.Token, Endpoint: o.Hub.Endpoint, Offline: o.Hub.Offline, HTTP: o.Hub.HTTP, Logger: b.log}}
	if o.Progress != nil {
		mo.Progress = func(stage string, done, total int64) { o.Progress(Progress{Stage: stage, Done: done, Total: total}) }
	}
	if b.backend == nil {
		b.cpu = cpu.NewWeights(cpu.Storage(b.precision))
		mo.Begin, mo.Keep, mo.KeepBlocks = b.cpu.Begin, b.cpu.Take, b.cpu.TakeBlocks
	}
	if b.model, err = model.Open(ctx, ref, mo); err != nil {
		return nil, err
	}
	if b.digest, err = b.model.Digest(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if n := b.model.LeftAside; n > 0 {
		b.log.Info("only the text part of the model is computed", "model", ref, "weights_left_aside", n)
	}
	return b, nil
}

// choosePrecision settles Auto and says why.
func (b *Base) choosePrecision(tiles func() error) (dtypes.DType, error) {
	device, reason := "CPU", "asked for"
	if b.backend != nil {
		device = b.backend.DeviceDescription(0)
	}
	if b.precision == Auto {
		switch {
		case b.backend == nil && tiles() == nil:
			b.precision, reason = BF16, "AMX computes bfloat16 faster than float32, in less memory"
		case b.backend == nil:
			b.precision, reason = F32, "faster than bfloat16: "+tiles().Error()
		case b.backend.HasSharedBuffers(): // host memory that the backend works on directly is the mark of a CPU
			b.precision, reason = F32, "CPUs compute float32 faster than bfloat16"
		default:
			b.precision, reason = BF16, "an accelerator computes bfloat16 faster, in half the memory"
		}
	} else if b.precision == BF16 && b.backend == nil {
		reason = "asked for, and training multiplies in AMX"
		if err := tiles(); err != nil {
			reason = "asked for, but multiplied as float32: " + err.Error()
		}
	}
	b.log.Info("precision", "precision", b.precision, "device", device, "reason", reason)
	switch b.precision {
	case F32:
		return dtypes.Float32, nil
	case BF16:
		return dtypes.BFloat16, nil
	case Int8, Int4, Stored:
		if b.backend == nil {
			return dtypes.InvalidDType, nil // no backend takes the weights
		}
		if packed(b.precision) != "" && model.CanPack(b.backend) {
			if b.backend.HasSharedBuffers() {
				return dtypes.Float32, nil
			}
			return dtypes.BFloat16, nil
		}
		return dtypes.InvalidDType, fmt.Errorf("precision %q: docent's own code for CPUs holds weights so, not %s", b.precision, b.backend.Name())
	}
	return dtypes.InvalidDType, fmt.Errorf("precision %q: must be %s, %s, %s, %s or %s", b.precision, F32, BF16, Int8, Int4, Stored)
}

// packed is the type of GGUF as which graphs hold the matrices of the layers; "" = as they compute.
func packed(p Precision) weights.DType {
	return map[Precision]weights.DType{Int8: "Q8_0", Int4: "Q4_1"}[p]
}

// Info describes the model.
func (b *Base) Info() ModelInfo {
	c := b.model.Config
	return ModelInfo{
		Ref: b.model.Ref.String(), Architecture: c.Family, Parameters: c.NumParams(), Layers: c.Layers,
		ContextLength: c.MaxPositions, VocabSize: c.VocabSize, Precision: b.precision, Digest: b.digest,
		Commit: b.model.Commit, Licence: b.model.Licence,
	}
}

// Modules lists the projections that Config.Targets may match, in the order of the computation. embed_tokens and lm_head are
// matched too, and not by AllLinear.
func (b *Base) Modules() []string {
	var out []string
	for _, p := range b.model.Config.Params() {
		if p.Linear && b.model.Config.Target(p) {
			out = append(out, strings.TrimSuffix(p.Name, ".weight"))
		}
	}
	return out
}

// TokenCounter returns what counts the tokens of a text, without special ones. It fits chunk.Options.Measure. A model
// without a tokenizer is ErrNoTokenizer.
func (b *Base) TokenCounter() (func(text string) int, error) {
	tok := b.model.Tokenizer
	if tok == nil {
		return nil, ErrNoTokenizer
	}
	return func(text string) int { return len(tok.EncodeOrdinary(text)) }, nil
}

// Opened is what engine.New shares with the base: the model, its weights where docent's own code computes, or else the device.
func (b *Base) Opened() (*model.Model, *cpu.Weights, compute.Backend) {
	return b.model, b.cpu, b.backend
}

// Close frees the weights. It may be called more than once.
func (b *Base) Close() error { return b.model.Close() }
