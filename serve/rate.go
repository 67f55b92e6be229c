package serve

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/docent-ml/docent/openai"
)

// rates are the limits of each key, as buckets that fill evenly over a minute: a key that was idle may use a whole
// minute's worth at once.
type rates struct {
	requests, tokens float64 // a minute; 0: no limit

	mu   sync.Mutex
	keys map[string]*rate // by name; "" when nobody needs a key
}

type rate struct{ requests, tokens bucket }

// bucket is what is left at a moment. Tokens are counted afterwards, so it may be below zero.
type bucket struct {
	left float64
	at   time.Time
}

func newRates(o HandlerOptions) *rates {
	return &rates{requests: float64(o.RequestsPerMinute), tokens: float64(o.TokensPerMinute), keys: map[string]*rate{}}
}

// of is a key's state now. mu is held.
func (r *rates) of(key string) *rate {
	now := time.Now()
	k := r.keys[key]
	if k == nil {
		k = &rate{bucket{r.requests, now}, bucket{r.tokens, now}}
		r.keys[key] = k
	}
	k.requests.fill(r.requests, now)
	k.tokens.fill(r.tokens, now)
	return k
}

func (b *bucket) fill(limit float64, now time.Time) {
	b.left = min(limit, b.left+limit*now.Sub(b.at).Minutes())
	b.at = now
}

// until is how long it takes until there is as much again.
func (b *bucket) until(wanted, limit float64) time.Duration {
	return time.Duration(math.Ceil(max(0, wanted-b.left) / limit * float64(time.Minute)))
}

// take counts a request of the key, or refuses it. The headers tell the client either way.
func (r *rates) take(key string, header http.Header) error {
	if r.requests == 0 && r.tokens == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.of(key)
	wait := time.Duration(0)
	what := ""
	if r.requests > 0 && k.requests.left < 1 {
		wait, what = k.requests.until(1, r.requests), fmt.Sprintf("%.0f requests", r.requests)
	}
	if r.tokens > 0 && k.tokens.left < 1 {
		if w := k.tokens.until(1, r.tokens); w > wait {
			wait, what = w, fmt.Sprintf("%.0f tokens", r.tokens)
		}
	}
	if what == "" {
		k.requests.left--
	}
	r.tell(k, header)
	if what == "" {
		return nil
	}
	return retryLater(openai.CodeRateLimitExceeded, "the limit of "+what+" a minute is reached", wait)
}

func (r *rates) tell(k *rate, header http.Header) {
	for _, l := range []struct {
		name  string
		limit float64
		b     bucket
	}{{"requests", r.requests, k.requests}, {"tokens", r.tokens, k.tokens}} {
		if l.limit > 0 {
			header.Set("X-Ratelimit-Limit-"+l.name, strconv.Itoa(int(l.limit)))
			header.Set("X-Ratelimit-Remaining-"+l.name, strconv.Itoa(int(max(0, l.b.left))))
			header.Set("X-Ratelimit-Reset-"+l.name, l.b.until(l.limit, l.limit).Round(time.Millisecond).String())
		}
	}
}

// charge counts the tokens that a request has used.
func (r *rates) charge(key string, tokens int) {
	if r.tokens == 0 || tokens == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(key).tokens.left -= float64(tokens)
}
