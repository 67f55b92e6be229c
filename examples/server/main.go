// Command server answers with models over an OpenAI-style API, from the registry or from disk, beside a page of its own.
// "go run ./examples/server -h" is its manual.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docent-ml/docent/examples/internal/backend"
	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/examples/internal/program"
	"github.com/docent-ml/docent/examples/internal/tracing"
	"github.com/docent-ml/docent/serve"
	"github.com/docent-ml/docent/serve/prometheus"
)

func main() { program.Main(run) }

// run is the program. It logs to standard error, and writes one line to stdout once it answers.
func run(ctx context.Context, args, environ []string, stdout io.Writer) (err error) {
	cfg, explain, done, err := program.Settings(config.LoadServer, config.ServerHelp, args, environ, stdout)
	if done || err != nil {
		return err
	}
	if cfg.Probe {
		return probe(ctx, cfg)
	}
	log, err := program.Logger(os.Stderr, cfg.Common, explain.Notes)
	if err != nil {
		return err
	}
	spans, err := tracing.Start(ctx, cfg.Traces, "docent-server", log)
	if err != nil {
		return err
	}
	defer spans.End()
	keys, err := openKeys(cfg.APIKeyFile, serve.RateLimits{Requests: cfg.RequestRate, Tokens: cfg.TokenRate})
	if err != nil {
		return err
	}
	device, err := backend.Open(cfg.Backend, backend.Options{Environ: environ, Logger: log})
	if err != nil {
		return err
	}
	defer device.Close()
	log.Info("device", "name", device.Name, "why", device.Why)

	models, err := newModels(ctx, cfg, device, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, models.close()) }()
	pool, err := serve.NewPool(models.load, models.poolOptions())
	if err != nil {
		return err
	}
	keyed := cfg.APIKeyFile != ""
	mem := &memory{root: os.DirFS("/")}
	options := serve.HandlerOptions{
		Prefix: cfg.Prefix, APIKeys: keys.now.Load().keys, ProtectMeta: cfg.ProtectMeta, AllowedHosts: hosts(cfg, keyed), AllowedOrigins: listed(cfg.Origins), KeyLimits: keys.limits,
		MaxBodyBytes: int64(cfg.MaxBodyBytes), MaxTokensCap: cfg.MaxTokensCap,
		DefaultMaxTokens: cfg.DefaultMaxTokens, Degradations: degradations(device, models, mem, time.Now()), Logger: log, Version: program.Version(),
	}
	if cfg.Metrics {
		options.Metrics = prometheus.New()
	}
	if cfg.Adapters != "" {
		options.Adapters, options.AdapterKeys = adapters{models, pool}, listed(cfg.AdapterKeys)
	}
	handler, err := serve.NewHandler(pool, options)
	if err != nil {
		return errors.Join(err, pool.Close())
	}
	// Models are freed before the device is.
	defer func() { err = errors.Join(err, handler.Close()) }()

	listener, err := listen(cfg)
	if err != nil {
		return err
	}
	go mem.watch(ctx)
	if keyed {
		go keys.watch(ctx, handler.SetAPIKeys, log)
	}
	log.Info("listening", "address", listener.Addr().String())
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait() // before what it uses is closed
	defer stop()
	return serveUntil(ctx, cfg, listener, spans.Handler(routes(newPage(cfg, keyed), handler)), handler, func(url string) error {
		if err := models.warmLocal(ctx, pool); err != nil {
			return err
		}
		following.Go(func() {
			models.follow(ctx, pool, func() { fmt.Fprintln(stdout, "ready:", url) })
		})
		return nil
	})
}

// routes has the page at the root and the API everywhere else, which also refuses the hosts that are not allowed. An http.ServeMux would redirect paths that are not clean,
// and clients of the API do not follow redirects.
func routes(page http.Handler, api *serve.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && api.AllowsHost(r.Host) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			page.ServeHTTP(w, r)
		} else {
			api.ServeHTTP(w, r)
		}
	})
}

// listed splits a list.
func listed(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// hosts are the names that the server answers to. One that only this machine can reach, and without keys, is open to every
// page in this machine's browsers whose own name resolves to it, unless it looks at the name.
func hosts(cfg config.Server, keys bool) []string {
	names := listed(cfg.Hosts)
	if address, err := net.ResolveTCPAddr("tcp", cfg.Listen); err == nil && address.IP.IsLoopback() && !keys {
		names = append(names, "localhost")
	}
	return names
}

// degradations tells /health what the program knows.
func degradations(d *backend.Device, m *models, mem *memory, since time.Time) func() []serve.Degradation {
	return func() []serve.Degradation {
		wrong := m.degradations()
		if low := mem.low.Load(); low != nil {
			wrong = append(wrong, *low)
		}
		if d.Fallback != "" {
			wrong = append(wrong, serve.Degradation{Code: "cpu_fallback", Message: d.Fallback, Component: "engine", Since: since.Unix()})
		}
		return wrong
	}
}
