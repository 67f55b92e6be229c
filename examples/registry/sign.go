package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/docent-ml/docent/registry"
)

// sign writes an OpenSSF model signature of a version's files, made with a private key on an elliptic curve: a Sigstore bundle
// around a statement of in-toto, as the package model-signing writes and verifies it. The digests are those that were logged,
// and the files are read to see that they still have them.
func sign(ctx context.Context, t *tool) error {
	key, err := readKey(t.key)
	if err != nil {
		return err
	}
	v, files, err := t.version(ctx)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.SHA256 == "" {
			return fmt.Errorf("sign: the registry has no SHA-256 of %s in %s: copy the version to a folder and sign it there", f.Path, title(v))
		}
	}
	if err := t.registry.Verify(ctx, v); err != nil {
		return err
	}
	payload, err := statement(title(v), files)
	if err != nil {
		return err
	}
	bundle, err := envelope(payload, key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s\n", bundle)
	return err
}

// readKey reads a private key as PEM, in the form of OpenSSL's genpkey or ecparam.
func readKey(file string) (*ecdsa.PrivateKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("sign: the key: %w", err)
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if ec, ok := key.(*ecdsa.PrivateKey); ok {
				return ec, nil
			}
			if err != nil {
				return nil, fmt.Errorf("sign: the key in %s: %w", file, err)
			}
		}
	}
	return nil, fmt.Errorf("sign: %s has no private key on an elliptic curve, not under a password: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes one", file)
}

const (
	payloadType = "application/vnd.in-toto+json"
	bundleType  = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

type object = map[string]any

// statement tells the digests of the files. The digest of all is that of their digests, one behind the other.
func statement(name string, files []registry.File) ([]byte, error) {
	all := sha256.New()
	var resources []object
	for _, f := range files {
		digest, err := hex.DecodeString(f.SHA256)
		if err != nil {
			return nil, fmt.Errorf("sign: the digest of %s: %w", f.Path, err)
		}
		all.Write(digest)
		resources = append(resources, object{"name": f.Path, "algorithm": "sha256", "digest": f.SHA256})
	}
	return json.Marshal(object{
		"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://model_signing/signature/v1.0",
		"subject": []object{{"name": name, "digest": object{"sha256": hex.EncodeToString(all.Sum(nil))}}},
		"predicate": object{
			"serialization": object{"method": "files", "hash_type": "sha256", "allow_symlinks": false, "ignore_paths": []string{}},
			"resources":     resources,
		},
	})
}

// envelope signs a statement as DSSE has it, and names the key by the digest of its public half.
func envelope(payload []byte, key *ecdsa.PrivateKey) ([]byte, error) {
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("sign: the key: %w", err)
	}
	signed := fmt.Sprintf("DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)) + string(payload)
	var digest []byte
	switch key.Curve {
	case elliptic.P256():
		d := sha256.Sum256([]byte(signed))
		digest = d[:]
	case elliptic.P384():
		d := sha512.Sum384([]byte(signed))
		digest = d[:]
	case elliptic.P521():
		d := sha512.Sum512([]byte(signed))
		digest = d[:]
	default:
		return nil, fmt.Errorf("sign: the key is on the curve %s, not on P-256, P-384 or P-521", key.Curve.Params().Name)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	hint := sha256.Sum256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	return json.Marshal(object{
		"mediaType":            bundleType,
		"verificationMaterial": object{"publicKey": object{"hint": hex.EncodeToString(hint[:])}, "tlogEntries": []any{}},
		"dsseEnvelope":         object{"payload": payload, "payloadType": payloadType, "signatures": []object{{"sig": signature, "keyid": ""}}},
	})
}
