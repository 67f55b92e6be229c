package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/local"
)

// TestSignature: the signature of a version holds for its files, also by the package model-signing, whose interpreter
// DOCENT_PYTHON_CLIENTS names.
func TestSignature(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model")
	files := fstest.MapFS{
		"config.json": {Data: []byte("{}")}, "model.safetensors": {Data: make([]byte, 3<<20)},
		"tokenizer/ä b.json": {Data: []byte("x")}, "tokenizer/a.json": {Data: nil},
	}
	require.NoError(t, os.CopyFS(model, files))
	store, err := local.Open(filepath.Join(dir, "registry"), local.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	run, err := store.StartRun(t.Context(), "guides", "run", nil)
	require.NoError(t, err)
	source, err := run.LogModel(t.Context(), "model", files)
	require.NoError(t, err)
	_, err = store.Register(t.Context(), "guide", source, nil)
	require.NoError(t, err)
	require.NoError(t, run.End(t.Context(), registry.Finished))

	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		require.NoError(t, err)
		write := func(name string, data []byte) string {
			path := filepath.Join(dir, curve.Params().Name+name)
			require.NoError(t, os.WriteFile(path, data, 0o600))
			return path
		}
		keyFile := write(".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		publicFile := write(".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
		text := said(t, "-registry", "file:"+filepath.Join(dir, "registry"), "sign", "models:/guide/1", keyFile)
		signature := write(".sig", []byte(text))

		var bundle struct {
			DSSEEnvelope struct {
				Payload    []byte
				Signatures []struct{ Sig []byte }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &bundle))
		if curve == elliptic.P521() {
			payload := bundle.DSSEEnvelope.Payload
			digest := sha512.Sum512(fmt.Appendf(nil, "DSSEv1 28 application/vnd.in-toto+json %d %s", len(payload), payload))
			assert.True(t, ecdsa.VerifyASN1(&key.PublicKey, digest[:], bundle.DSSEEnvelope.Signatures[0].Sig))
		}
		assert.Contains(t, string(bundle.DSSEEnvelope.Payload), "tokenizer/ä b.json")

		interpreter := os.Getenv("DOCENT_PYTHON_CLIENTS")
		if interpreter == "" {
			continue
		}
		verify := func() (string, error) {
			out, err := exec.CommandContext(t.Context(), interpreter, "-m", "model_signing", "verify", "key", model, "--signature", signature, "--public_key", publicFile).CombinedOutput()
			return string(out), err
		}
		out, err := verify()
		require.NoError(t, err, out)
		require.NoError(t, os.WriteFile(filepath.Join(model, "config.json"), []byte("{ }"), 0o600))
		out, err = verify()
		assert.Error(t, err, "the file was altered: %s", out)
		require.NoError(t, os.WriteFile(filepath.Join(model, "config.json"), []byte("{}"), 0o600))
	}

	_, err = call(t, "-registry", "file:"+filepath.Join(dir, "registry"), "sign", "models:/guide/1", filepath.Join(dir, "P-256.pub"))
	assert.ErrorContains(t, err, "no private key on an elliptic curve")
	_, err = call(t, "-registry", "file:"+filepath.Join(dir, "registry"), "sign", "models:/guide/1")
	assert.ErrorContains(t, err, "sign REF KEY")
}
