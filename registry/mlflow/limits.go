package mlflow

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// What MLflow takes. Longer values are cut by the server without a word, so they are cut here with one.
const (
	maxKey        = 250    // characters
	maxParam      = 6000   // characters
	maxRunTag     = 8000   // characters
	maxVersionTag = 100000 // characters
	maxDigest     = 36     // characters
	maxModelParam = 5000   // characters

	batchMetrics = 1000
	batchPairs   = 100
	batchBytes   = 900_000 // of a request's body, which must stay below 1 MB
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// limiter makes keys and values fit, and says so once for each key.
type limiter struct {
	log *slog.Logger

	mu   sync.Mutex
	keys map[string]string // given → sent, of those that were changed
	used map[string]string // sent → given
	told map[string]bool
}

func newLimiter(log *slog.Logger) *limiter {
	return &limiter{log: log, keys: map[string]string{}, used: map[string]string{}, told: map[string]bool{}}
}

// key returns the key that MLflow gets for one of the caller's. Two of the caller's never become the same.
func (l *limiter) key(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent, ok := l.keys[key]; ok {
		return sent
	}
	sent := sanitize(key)
	if other, taken := l.used[sent]; taken && other != key {
		sum := sha256.Sum256([]byte(key))
		suffix := "_" + hex.EncodeToString(sum[:4])
		sent = cut(sent, maxKey-len(suffix)) + suffix
	}
	l.used[sent] = key
	if sent != key {
		l.keys[key] = sent
		l.log.Warn("MLflow does not take this key: it is recorded under another", "key", key, "recorded", sent)
	}
	return sent
}

// fit cuts a value.
func (l *limiter) fit(what, key, value string, limit int) string {
	short := cut(value, limit)
	if short == value {
		return value
	}
	l.mu.Lock()
	told := l.told[what+key]
	l.told[what+key] = true
	l.mu.Unlock()
	if !told {
		l.log.Warn("MLflow does not take a value of this length: it is cut", "what", what, "key", key,
			"characters", utf8.RuneCountInString(value), "kept", limit)
	}
	return short
}

// pairs makes parameters or tags fit.
func (l *limiter) pairs(what string, m map[string]string, limit int) map[string]string {
	out := make(map[string]string, len(m))
	for _, key := range sortedKeys(m) {
		out[l.key(key)] = l.fit(what, key, m[key], limit)
	}
	return out
}

func cut(s string, characters int) string {
	if len(s) <= characters {
		return s
	}
	n := 0
	for i := range s {
		if n == characters {
			return s[:i]
		}
		n++
	}
	return s
}

// sanitize replaces what MLflow does not take in keys. A mark is no part of a word there, so accents
// written as characters of their own and the vowel signs of Indic scripts are replaced too.
func sanitize(key string) string {
	key = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-./: ", r) {
			return r
		}
		return '_'
	}, key)
	for strings.Contains(key, "..") {
		key = strings.ReplaceAll(key, "..", ".")
	}
	for strings.Contains(key, "//") {
		key = strings.ReplaceAll(key, "//", "/")
	}
	// The server takes keys for paths, which it wants in their shortest form: the end that cutting leaves is one too.
	parts := strings.Split(strings.Trim(cut(strings.TrimLeft(key, "/"), maxKey), "/"), "/")
	for i, p := range parts {
		if p == "." {
			parts[i] = "_"
		}
	}
	return cmp.Or(strings.Join(parts, "/"), "_")
}

// batches cuts a list into pieces of at most n elements whose JSON stays below the size of a request.
func batches[T any](list []T, n int) ([][]T, error) {
	var out [][]T
	begin, size := 0, 0
	for i, v := range list {
		data, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		if i > begin && (i-begin == n || size+len(data) > batchBytes) {
			out = append(out, list[begin:i])
			begin, size = i, 0
		}
		size += len(data) + 1
	}
	if begin < len(list) {
		out = append(out, list[begin:])
	}
	return out, nil
}
