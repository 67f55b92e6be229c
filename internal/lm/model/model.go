// Package model opens a causal language model from any reference lm.Ref can name and puts its weights on a compute
// backend, once, for training and for serving alike.
//
// A Model belongs to one goroutine until it is closed; its Tokenizer and Chat may be shared.
package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/docent-ml/docent/internal/device"
	"github.com/docent-ml/docent/internal/hub"
	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/adapter"
	"github.com/docent-ml/docent/internal/lm/text"
	"github.com/docent-ml/docent/internal/lm/weights"
)

// Options say where a model is looked for and how it is held.
type Options struct {
	Backend compute.Backend
	// Begin is told of all weights before the first is read, if it is not nil; its error ends the opening.
	Begin func(params []lm.Param) error
	// Keep takes each weight in place of the backend, in the order of lm.Config.Params, if it is not nil: read writes the
	// values in float32, a matrix as [out, in], all at once or some whole rows at each call. Model.Weights is empty then.
	Keep func(p lm.Param, read func(dst []float32) error) error
	// KeepBlocks takes a matrix as it lies in a GGUF file, if it is not nil and nothing is merged into the matrix. Where it does not
	// want it, Keep does. The model's digest is then computed when it is asked for.
	KeepBlocks func(p lm.Param, b weights.Blocks) (taken bool, err error)
	DType      dtypes.DType // Float32 or BFloat16; zero = Float32
	// Packed is the type, Q8_0 or Q4_1, as which the backend holds the matrices of the layers whose rows are whole blocks of it; "" = as DType.
	// Not with Transposed.
	Packed weights.DType
	// Transposed stores the matrices of the layers as [in, out], and that of the head as [hidden, vocab].
	Transposed bool
	// Adapter is merged into the weights while they are loaded; nil = none.
	Adapter *adapter.Adapter

	Hub hub.Options // used for Hub references only
	// Progress tells of downloads in bytes and of loading in weights; nil = nobody listens.
	Progress func(stage string, done, total int64)
}

// Model is an opened model.
type Model struct {
	Ref        lm.Ref
	Config     lm.Config
	Generation lm.Generation
	Tokenizer  *text.Tokenizer // nil when the folder has none
	Chat       *text.Chat      // nil when there is no chat template
	QA         bool            // without one: trained with the question/answer prompt of package text
	Base       string          // what it was tuned from, if that is recorded; "" = not known
	Weights    []*tensors.Tensor
	LeftAside  int              // weights of the checkpoint that are no part of the text model
	Mark       string           // tells models of other weights apart: the digest, or of blocks a sum that is quicker
	Commit     string           // on the Hub, of a model from there
	Licence    string           // as its GGUF file or model card names it; "" = neither does
	OnTop      *adapter.Adapter // not merged: see With; nil = none
	Transposed bool

	generationSource []byte           // generation_config.json as it was read; nil when there was none
	adapter          *adapter.Adapter // merged while loading; nil = none
	untied           bool             // by the adapter: the head is no longer the embedding
	source           weights.Source
	digest           func() (string, error) // SHA-256 over all values
}

// ErrNotFound is wrapped when a reference names a folder or file that is not there.
var ErrNotFound = errors.New("model not found")

// Open reads configuration, tokenizer and weights. A folder that holds only an adapter is opened as its base model
// with the adapter merged in.
func Open(ctx context.Context, ref string, o Options) (*Model, error) {
	r, err := lm.ParseRef(ref)
	if err != nil {
		return nil, err
	}
	m, err := open(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", r, err)
	}
	return m, nil
}

func open(ctx context.Context, r lm.Ref, o Options) (*Model, error) {
	m := &Model{Ref: r, Transposed: o.Transposed, adapter: o.Adapter}
	var err error
	switch r.Kind {
	case lm.GGUF:
		err = m.openGGUF(r.Path)
	case lm.Hub:
		var dir string
		if dir, err = download(ctx, r, o); err == nil {
			m.Commit = filepath.Base(dir)
			err = m.openFolder(dir)
		}
	default:
		if base, ok, adapterErr := adapterOnly(r.Path); adapterErr != nil {
			return nil, adapterErr
		} else if ok {
			return openAdapted(ctx, r, base, o)
		}
		err = m.openFolder(r.Path)
	}
	if err == nil {
		err = m.checkTokens()
	}
	if err == nil {
		err = m.load(ctx, o)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func download(ctx context.Context, r lm.Ref, o Options) (string, error) {
	h := o.Hub
	if o.Progress != nil {
		h.Progress = func(file string, done, total int64) { o.Progress("download "+file, done, total) }
	}
	client, err := hub.New(h)
	if err != nil {
		return "", err
	}
	return client.Snapshot(ctx, r.Repo, r.Revision, nil)
}

// adapterOnly reports whether the folder is a PEFT adapter without a model of its own, and the base it names.
func adapterOnly(dir string) (base *adapter.Adapter, ok bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err == nil {
		return nil, false, nil
	}
	if _, err := os.Stat(filepath.Join(dir, adapter.ConfigFile)); err != nil {
		return nil, false, nil //nolint:nilerr // it is no adapter
	}
	a, err := adapter.Load(os.DirFS(dir))
	return a, err == nil, err
}

// openAdapted opens the base of an adapter folder with the adapter merged in. A tokenizer beside the adapter, which
// trainers put there when they changed it, wins over the base's.
func openAdapted(ctx context.Context, r lm.Ref, a *adapter.Adapter, o Options) (*Model, error) {
	if o.Adapter != nil {
		return nil, fmt.Errorf("the folder is itself an adapter: give its base model %q with the other adapter", a.Config.Base)
	}
	base, err := baseOf(r, a)
	if err != nil {
		return nil, err
	}
	o.Adapter = a
	m, err := open(ctx, base, o)
	if err != nil {
		return nil, fmt.Errorf("base model %s: %w", base, err)
	}
	m.Ref = r
	if err := m.openTextBeside(os.DirFS(r.Path)); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// openTextBeside reads the tokenizer of an adapter's folder or, where it is the base's, a chat template of its own.
func (m *Model) openTextBeside(fsys fs.FS) error {
	if _, err := fs.Stat(fsys, "tokenizer.json"); err == nil {
		return errors.Join(m.openText(fsys), m.checkTokens())
	}
	if m.Tokenizer == nil {
		return nil
	}
	var err error
	if m.Tokenizer, err = m.Tokenizer.WithTemplates(fsys); err != nil {
		return err
	}
	return m.openChat()
}

// checkTokens compares the tokenizer with the embedding: an id without a row can be neither read nor written.
func (m *Model) checkTokens() error {
	if m.Tokenizer == nil || m.Tokenizer.VocabSize() <= m.Config.VocabSize {
		return nil
	}
	n := m.Tokenizer.VocabSize()
	token, _ := m.Tokenizer.Token(int32(n - 1))
	return fmt.Errorf("%w: the tokenizer has ids up to %d (%q), the model has embeddings for %d: take the tokenizer that belongs to the model, or resize the model's embeddings",
		text.ErrFormat, n-1, token, m.Config.VocabSize)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (m *Model) openFolder(dir string) error {
	fsys := os.DirFS(dir)
	data, err := fs.ReadFile(fsys, "config.json")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no config.json; a model folder holds config.json, tokenizer.json and *.safetensors", ErrNotFound, dir)
	}
	if err != nil {
		return err
	}
	if m.Config, err = lm.ParseConfig(data); err != nil {
		return err
	}
	if data, err = fs.ReadFile(fsys, "generation_config.json"); err == nil {
		if m.Generation, err = lm.ParseGeneration(data); err != nil {
			return err
		}
		m.generationSource = data
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := fs.Stat(fsys, "tokenizer.json"); err == nil {
		if err := m.openText(fsys); err != nil {
			return err
		}
	}
	record, err := openRecord(fsys)
	if err != nil {
		return err
	}
	m.Base, m.QA, m.Licence = record.Base, record.Prompt == promptQA, cardLicence(fsys)
	src, err := weights.OpenFolder(fsys)
	if err != nil {
		return err
	}
	m.source, m.LeftAside = src, src.Rename(m.Config.TextWeight)
	return src.Join(m.Config.Params(), func(p lm.Param) ([]lm.Piece, error) { return m.Config.Pieces(p), nil })
}

func (m *Model) openText(fsys fs.FS) (err error) {
	if m.Tokenizer, err = text.Load(fsys); err != nil {
		return err
	}
	return m.openChat()
}

func (m *Model) openChat() (err error) {
	if m.Chat, err = text.NewChat(m.Tokenizer, nil); errors.Is(err, text.ErrNoTemplate) {
		return nil
	}
	return err
}

func (m *Model) openGGUF(path string) error {
	src, err := weights.OpenGGUF(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return err
	}
	m.source = src
	m.Licence, _ = src.Metadata().String("general.license")
	if m.Config, err = src.Config(); err != nil {
		return err
	}
	if err := src.Join(m.Config.Params(), m.Config.GGUFPieces); err != nil {
		return err
	}
	if m.Tokenizer, err = text.FromGGUF(src.Metadata().Map()); err != nil {
		return err
	}
	return m.openChat()
}

// EOS lists the tokens that end a generation.
func (m *Model) EOS() []int {
	if len(m.Generation.EOS) > 0 {
		return m.Generation.EOS
	}
	if len(m.Config.EOS) == 0 && m.Tokenizer != nil {
		if id, ok := m.Tokenizer.EOS(); ok {
			return []int{int(id)}
		}
	}
	return m.Config.EOS
}

// Nodes gives the parameters of a graph that stand for Weights, in their order, the names of a model's weights, unpacked.
func Nodes(c lm.Config, in []*graph.Node) map[string]*graph.Node {
	out := map[string]*graph.Node{}
	for i, p := range c.Params() {
		if out[p.Name] = in[i]; in[i].DType() == dtypes.Uint8 {
			out[p.Name] = unpack(in[i], in[0].DType())
		}
	}
	return out
}

// Inputs is Weights as arguments of a device.Program.
func (m *Model) Inputs() []any {
	out := make([]any, len(m.Weights))
	for i, w := range m.Weights {
		out[i] = w
	}
	return out
}

// Close frees the weights and closes the files. It may be called more than once.
func (m *Model) Close() error {
	device.Free(m.Weights...)
	m.Weights = nil
	if m.source == nil {
		return nil
	}
	err := m.source.Close()
	m.source = nil
	return err
}
