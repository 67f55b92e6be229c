package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// certificate writes a self-signed one for this machine.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(certFile, certPEM, 0o644))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certPEM))
	return certFile, keyFile, pool
}

func TestTLSMetricsAndOrigins(t *testing.T) {
	cert, key, pool := certificate(t)
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "tiny", "-tls-cert", cert, "-tls-key", key, "-metrics",
		"-cors", "https://portal.example.org, http://localhost:3000", "-rpm", "100")
	require.True(t, strings.HasPrefix(url, "https://"), url)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()

	request, err := http.NewRequest("POST", url+"/completions", strings.NewReader(`{"model":"tiny","prompt":"x","max_tokens":2}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", "http://localhost:3000")
	response, err := client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	assert.Equal(t, 200, response.StatusCode)
	assert.Equal(t, "http://localhost:3000", response.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "99", response.Header.Get("X-Ratelimit-Remaining-Requests"))

	response, err = client.Get(strings.TrimSuffix(url, "/v1") + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Contains(t, string(text), `docent_requests_total{model="tiny",route="/v1/completions",status="200"} 1`)

	response, err = client.Get(strings.TrimSuffix(url, "/v1") + "/")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	require.NoError(t, err)
	policy := response.Header.Get("Content-Security-Policy")
	_, nonce, found := strings.Cut(policy, "'nonce-")
	require.True(t, found, policy)
	nonce, _, _ = strings.Cut(nonce, "'")
	assert.Contains(t, string(text), `<script nonce="`+nonce+`">`)
	assert.Contains(t, string(text), url)
}

func TestListenFaults(t *testing.T) {
	cert, key, _ := certificate(t)
	model := testmodel.Write(t, 1)
	for want, args := range map[string][]string{
		"tls_cert":                        {"-tls-cert", cert},
		"-tls-cert " + key + " and":       {"-tls-cert", key, "-tls-key", key},
		"AllowedOrigins: \"example.org\"": {"-cors", "example.org"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := run(ctx, append([]string{"-profile", "none", "-backend", "go", "-listen", "127.0.0.1:0", "-log-level", "error", "-model", model}, args...), nil, io.Discard)
		cancel()
		assert.ErrorContains(t, err, want)
	}
}
