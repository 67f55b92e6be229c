package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/serve"
)

// serveUntil serves until ctx ends and then lets running answers finish. It calls ready with the API's URL once /health
// answers.
func serveUntil(ctx context.Context, cfg config.Server, l net.Listener, mux http.Handler, handler *serve.Handler, ready func(url string) error) error {
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()

	base := "http://" + reachable(l.Addr().String()) + cfg.Prefix
	err := waitHealthy(ctx, base+"/health/live")
	if err == nil {
		err = ready(base + "/v1")
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended: // the listener broke
		}
	}
	if ctx.Err() != nil {
		err = nil // asked to stop, also while starting
	}
	grace, cancel := context.WithTimeout(context.Background(), cfg.ShutdownGrace)
	defer cancel()
	// First the handler, which answers what is new with 503 as long as old answers go on; then connections.
	if stopErr := handler.Shutdown(grace); stopErr != nil {
		err = errors.Join(err, fmt.Errorf("answers were cut off after %s: %w", cfg.ShutdownGrace, stopErr))
	}
	if stopErr := server.Shutdown(grace); stopErr != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

// waitHealthy asks until the server answers.
func waitHealthy(ctx context.Context, url string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// reachable is an address that a client on this machine can use.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
