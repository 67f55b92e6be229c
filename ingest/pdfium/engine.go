package pdfium

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/docent-ml/docent/internal/filelock"
)

// engine is PDFium compiled for this machine.
type engine struct {
	ending sync.Mutex // of instances: the library takes one at a time
	pool   pdfium.Pool
	cache  wazero.CompilationCache // nil: none on disk

	starting sync.Mutex // one instance at a time, so that its memory is known
	fresh    memory     // of the instance being started
}

// memory is that of an instance, which must outlive the code that runs on it.
type memory interface{ release() }

// start returns a new instance and its memory, nil where the runtime keeps it.
func (e *engine) start(ctx context.Context) (pdfium.Pdfium, memory, error) {
	e.starting.Lock()
	defer e.starting.Unlock()
	e.fresh = nil
	instance, err := e.pool.GetInstanceWithContext(ctx)
	if err != nil && e.fresh != nil {
		e.fresh.release()
	}
	return instance, e.fresh, err
}

const (
	wasmPage         = 64 << 10
	defaultMaxMemory = 512 << 20
)

// engine returns the engine, compiled at the first call. Code that can be
// interrupted looks at the context at every loop and call, which makes it some
// four times slower.
func (p *PDF) engine(ctx context.Context, interruptible bool) (*engine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if e := p.engines[interruptible]; e != nil {
		return e, nil
	}
	e, err := compile(ctx, p.CacheDir, p.memoryLimit(), interruptible)
	if err != nil {
		return nil, err
	}
	if p.engines == nil {
		p.engines = map[bool]*engine{}
	}
	p.engines[interruptible] = e
	return e, nil
}

func (p *PDF) memoryLimit() int64 {
	limit := p.MaxMemory
	if limit <= 0 {
		limit = defaultMaxMemory
	}
	return max(min(limit, debug.SetMemoryLimit(-1)/3*2), wasmPage)
}

func compile(ctx context.Context, cacheDir string, maxMemory int64, interruptible bool) (*engine, error) {
	config := wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithMemoryLimitPages(uint32(maxMemory / wasmPage)).
		WithCloseOnContextDone(interruptible).
		WithDebugInfoEnabled(false)
	e := &engine{}
	if cacheDir != "" {
		// Compiling takes seconds of all cores and much memory: of the processes
		// that start at once, one does it and the others take it from the disk.
		if os.MkdirAll(cacheDir, 0o700) == nil {
			if lock, err := filelock.Acquire(ctx, filepath.Join(cacheDir, "compiling.lock")); err == nil {
				defer func() { _ = lock.Unlock() }()
			}
		}
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			return nil, fmt.Errorf("pdfium: PDF.CacheDir: %w", err)
		}
		e.cache = cache
		config = config.WithCompilationCache(cache)
	}
	pool, err := webassembly.Init(webassembly.Config{
		// One document's deadline must not end what all others will need.
		Context:       experimental.WithMemoryAllocator(context.WithoutCancel(ctx), allocator(func(m memory) { e.fresh = m })),
		MaxIdle:       1,
		MaxTotal:      -1,                   // whoever reads limits how many
		FSConfig:      wazero.NewFSConfig(), // nothing mounted: without one it would see all files
		RuntimeConfig: config,
		Stdout:        io.Discard,
		Stderr:        io.Discard,
	})
	if err != nil {
		return nil, fmt.Errorf("pdfium: starting the engine: %w", err)
	}
	e.pool = pool
	return e, nil
}

func (e *engine) close() error {
	e.ending.Lock()
	err := e.pool.Close()
	e.ending.Unlock()
	if e.cache != nil {
		_ = e.cache.Close(context.Background())
	}
	return err
}
