package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/docent-ml/docent/examples/internal/config"
	"github.com/docent-ml/docent/serve"
)

// listen opens the address, for HTTPS if there is a certificate.
func listen(cfg config.Server) (net.Listener, error) {
	var certificate tls.Certificate
	if cfg.TLSCert != "" {
		var err error
		if certificate, err = tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey); err != nil {
			return nil, fmt.Errorf("-tls-cert %s and -tls-key %s: %w", cfg.TLSCert, cfg.TLSKey, err)
		}
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: choose another address with -listen", cfg.Listen, err)
	}
	if cfg.TLSCert == "" {
		return l, nil
	}
	return tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}), nil
}

// serveUntil serves until ctx ends and then lets running answers finish. It calls ready with the API's URL, which
// answers from now on.
func serveUntil(ctx context.Context, cfg config.Server, l net.Listener, all http.Handler, api *serve.Handler, ready func(url string) error) error {
	// The API sets time limits of its own; ReadTimeout is for headers, and for a body that is sent to the page.
	server := &http.Server{Handler: all, ReadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()

	err := ready(base(cfg, l.Addr().String()) + "/v1")
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
	if stopErr := api.Shutdown(grace); stopErr != nil {
		err = errors.Join(err, fmt.Errorf("answers were cut off after %s: %w", cfg.ShutdownGrace, stopErr))
	}
	if stopErr := server.Shutdown(grace); stopErr != nil {
		err = errors.Join(err, server.Close())
	}
	return err
}

// base is the URL of the server of this program at an address.
func base(cfg config.Server, address string) string {
	scheme := "http://"
	if cfg.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + reachable(address) + cfg.Prefix
}

// probe asks the server that runs with the same settings whether it is ready.
func probe(ctx context.Context, cfg config.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	// The certificate is for the server's name, not for this address, and only whether it answers is asked.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base(cfg, cfg.Listen)+"/health/ready", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	return nil
}

// reachable is an address that a client on this machine can use.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
