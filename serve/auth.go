package serve

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// apiKey is a key that may be used. The key itself is not kept.
type apiKey struct {
	name string
	sum  [sha256.Size]byte
}

// authenticate finds the name of the request's key. All keys are compared, each in constant time, so that the time
// taken tells nothing.
func (h *Handler) authenticate(x *exchange) error {
	if len(h.keys) == 0 {
		return nil
	}
	scheme, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	found := -1
	for i := range h.keys {
		if subtle.ConstantTimeCompare(sum[:], h.keys[i].sum[:]) == 1 {
			found = i
		}
	}
	if found < 0 || !strings.EqualFold(scheme, "Bearer") {
		return openai.NewError(openai.CodeInvalidAPIKey, "an API key is needed, sent as Authorization: Bearer <key>")
	}
	x.key = h.keys[found].name
	return nil
}

// mayUse reports whether the request's key may use a model.
func (h *Handler) mayUse(x *exchange, model string) bool {
	return h.o.AllowModel == nil || h.o.AllowModel(x.key, model)
}
