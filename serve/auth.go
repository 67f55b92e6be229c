package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// apiKey is a key that may be used. The key itself is not kept.
type apiKey struct {
	name string
	sum  [sha256.Size]byte
}

// SetAPIKeys replaces the keys of a handler that asks for keys, from the next request on; see [HandlerOptions.APIKeys]. It is an
// error to leave none: the API would be open to all.
func (h *Handler) SetAPIKeys(keys map[string]string) error {
	if len(keys) == 0 || len(h.apiKeys()) == 0 {
		return errors.New("serve: API keys: a handler has keys from the beginning to the end, or none")
	}
	if err := errors.Join(keyFaults(keys)...); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	h.setKeys(keys)
	return nil
}

func (h *Handler) setKeys(keys map[string]string) {
	var list []apiKey
	for name, key := range keys {
		list = append(list, apiKey{name, sha256.Sum256([]byte(key))})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys = list
}

func (h *Handler) apiKeys() []apiKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys
}

func keyFaults(keys map[string]string) (faults []error) {
	seen := map[string]string{}
	for name, key := range keys {
		if key == "" {
			faults = append(faults, fmt.Errorf("APIKeys: the key named %q is empty", name))
		} else if other, dup := seen[key]; dup {
			faults = append(faults, fmt.Errorf("APIKeys: %q and %q have the same key", min(name, other), max(name, other)))
		}
		seen[key] = name
	}
	return faults
}

// authenticate finds the name of the request's key. All keys are compared, each in constant time, so that the time
// taken tells nothing.
func (h *Handler) authenticate(x *exchange) error {
	keys := h.apiKeys()
	if len(keys) == 0 {
		return nil
	}
	scheme, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := -1
	for i := range keys {
		if subtle.ConstantTimeCompare(sum[:], keys[i].sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 || !strings.EqualFold(scheme, "Bearer") {
		return openai.NewError(openai.CodeInvalidAPIKey, "an API key is needed, sent as Authorization: Bearer <key>")
	}
	x.key = keys[found].name
	return nil
}

// mayUse reports whether the request's key may use a model.
func (h *Handler) mayUse(x *exchange, model string) bool {
	return h.o.AllowModel == nil || h.o.AllowModel(x.key, model)
}
