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
	limits func(key string) RateLimits

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
	limits := o.KeyLimits
	if limits == nil {
		limits = func(string) RateLimits { return RateLimits{o.RequestsPerMinute, o.TokensPerMinute} }
	}
	return &rates{limits: limits, keys: map[string]*rate{}}
}

// of is a key's state now. mu is held.
func (r *rates) of(key string, requests, tokens float64) *rate {
	now := time.Now()
	k := r.keys[key]
	if k == nil {
		k = &rate{bucket{requests, now}, bucket{tokens, now}}
		r.keys[key] = k
	}
	k.requests.fill(requests, now)
	k.tokens.fill(tokens, now)
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
	limits := r.limits(key)
	requests, tokens := float64(limits.Requests), float64(limits.Tokens)
	if requests == 0 && tokens == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.of(key, requests, tokens)
	wait := time.Duration(0)
	what := ""
	if requests > 0 && k.requests.left < 1 {
		wait, what = k.requests.until(1, requests), fmt.Sprintf("%.0f requests", requests)
	}
	if tokens > 0 && k.tokens.left < 1 {
		if w := k.tokens.until(1, tokens); w > wait {
			wait, what = w, fmt.Sprintf("%.0f tokens", tokens)
		}
	}
	if what == "" {
		k.requests.left--
	}
	k.tell(requests, tokens, header)
	if what == "" {
		return nil
	}
	return retryLater(openai.CodeRateLimitExceeded, "the limit of "+what+" a minute is reached", wait)
}

func (k *rate) tell(requests, tokens float64, header http.Header) {
	for _, l := range []struct {
		name  string
		limit float64
		b     bucket
	}{{"requests", requests, k.requests}, {"tokens", tokens, k.tokens}} {
		if l.limit > 0 {
			header.Set("X-Ratelimit-Limit-"+l.name, strconv.Itoa(int(l.limit)))
			header.Set("X-Ratelimit-Remaining-"+l.name, strconv.Itoa(int(max(0, l.b.left))))
			header.Set("X-Ratelimit-Reset-"+l.name, l.b.until(l.limit, l.limit).Round(time.Millisecond).String())
		}
	}
}

// charge counts the tokens that a request has used.
func (r *rates) charge(key string, tokens int) {
	limits := r.limits(key)
	if limits.Tokens == 0 || tokens == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(key, float64(limits.Requests), float64(limits.Tokens)).tokens.left -= float64(tokens)
}
