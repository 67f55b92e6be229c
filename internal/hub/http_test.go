package hub

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every refusal names its cause and what to do about it.
func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status        int
		code, message string
		anonymous     bool
		kind          error
		hint          string
	}{
		"401 anonymous":          {status: 401, code: "RepoNotFound", message: "Invalid username or password.", anonymous: true, kind: ErrUnauthorized, hint: "check the spelling of acme/tiny-lm; if it is private, pass a token"},
		"401 with token":         {status: 401, message: "Invalid credentials in Authorization header", kind: ErrUnauthorized, hint: "invalid or has expired"},
		"gated anonymous":        {status: 401, code: "GatedRepo", message: "Access to model acme/tiny-lm is restricted.", anonymous: true, kind: ErrGated, hint: "/acme/tiny-lm and pass a token of that account (HF_TOKEN)"},
		"gated with token":       {status: 403, code: "GatedRepo", kind: ErrGated, hint: "accept the licence at "},
		"403 with token":         {status: 403, message: "token lacks permission", kind: ErrForbidden, hint: "give the token read access"},
		"403 anonymous":          {status: 403, anonymous: true, kind: ErrForbidden, hint: "pass a token"},
		"404 repository":         {status: 404, code: "RepoNotFound", kind: ErrNotFound, hint: "the token's account may read it"},
		"404 repository, anon":   {status: 404, code: "RepoNotFound", anonymous: true, kind: ErrNotFound, hint: "if the repository is private, pass a token"},
		"404 revision":           {status: 404, code: "RevisionNotFound", kind: ErrNotFound, hint: `no branch, tag or commit "main": choose one at`},
		"404 file":               {status: 404, code: "EntryNotFound", kind: ErrNotFound, hint: "it is gone"},
		"404 of something else":  {status: 404, kind: ErrNotFound, hint: "check the spelling"},
		"410":                    {status: 410, kind: ErrNotFound, hint: "check the spelling"},
		"429":                    {status: 429, kind: ErrUnavailable, hint: "too many requests"},
		"429 anonymous":          {status: 429, anonymous: true, kind: ErrUnavailable, hint: "pass a token (HF_TOKEN), which raises the limit"},
		"500":                    {status: 500, kind: ErrUnavailable, hint: "try again later"},
		"504":                    {status: 504, kind: ErrUnavailable, hint: "try again later"},
		"418":                    {status: 418, kind: ErrBadAnswer, hint: "check the endpoint"},
		"message with the token": {status: 403, message: "Bearer " + testToken + " may not\r\n read this", kind: ErrForbidden, hint: `"Bearer … may not read this"`},
		"endless message":        {status: 403, message: strings.Repeat("so ", 1000), kind: ErrForbidden, hint: "so so so"},
	} {
		t.Run(name, func(t *testing.T) {
			// The same refusal of the listing, of a HEAD and of a GET; as header, and as JSON body.
			for i, where := range []string{"GET /api/models/", "HEAD /acme/tiny-lm/resolve/", "GET /acme/tiny-lm/resolve/"} {
				s := newStub(t)
				s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.HasPrefix(r.Method+" "+r.URL.Path, where) {
						return false
					}
					if i == 0 {
						w.Header().Set("X-Error-Code", tc.code)
						w.WriteHeader(tc.status)
						_ = json.NewEncoder(w).Encode(map[string]string{"error": tc.message})
						return true
					}
					refuse(w, tc.status, tc.code, strings.NewReplacer("\r", "", "\n", "").Replace(tc.message))
					return true
				}
				c, waits := s.client(t, Options{})
				if tc.anonymous {
					c.token = ""
				}
				_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
				require.ErrorIs(t, err, tc.kind, where)
				assert.ErrorContains(t, err, tc.hint, where)
				e := assertSafe(t, err)
				assert.Equal(t, tc.status, e.Status)
				assert.Less(t, len(err.Error()), 700)
				if errors.Is(tc.kind, ErrUnavailable) {
					assert.GreaterOrEqual(t, len(*waits), attempts-1, where)
				} else {
					assert.Empty(t, *waits, where)
				}
				assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))
			}
		})
	}
}

// Faults that pass are waited out, for as long as the server asks.
func TestFlaky(t *testing.T) {
	s := newStub(t)
	failures := map[string]int{}
	s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		key := r.Method + r.URL.Path
		failures[key]++
		switch {
		case failures[key] == 1:
			w.WriteHeader(http.StatusBadGateway)
			return true
		case failures[key] == 2 && strings.HasPrefix(r.URL.Path, "/api/"):
			w.Header().Set("Retry-After", "77")
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		case failures[key] == 3 && strings.HasPrefix(r.URL.Path, "/api/"):
			w.Header().Set("RateLimit", `"api";r=0;t=55`)
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		case failures[key] == 4 && strings.HasPrefix(r.URL.Path, "/api/"):
			_, _ = w.Write([]byte(`{"sha":"` + testCommit + `","siblings":[{"rfil`)) // cut short
			return true
		}
		return false
	}
	c, waits := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	require.GreaterOrEqual(t, len(*waits), 4)
	assert.InDelta(t, time.Second, (*waits)[0], float64(time.Second/4))
	assert.Equal(t, 77*time.Second, (*waits)[1])
	assert.Equal(t, 55*time.Second, (*waits)[2])
	assert.InDelta(t, 7*time.Second, (*waits)[3], float64(time.Second))
}

// Nobody sits through an hour; the error says how things stand.
func TestTooLongToWait(t *testing.T) {
	s := newStub(t)
	s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	c, waits := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.Empty(t, *waits)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"12":                            12 * time.Second,
		"-1":                            0,
		"soon":                          0,
		"99999999999999999999":          0,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second,
		"Fri, 02 Jan 2026 03:00:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(http.Header{"Retry-After": {text}}, now), text)
	}
	for text, want := range map[string]time.Duration{`"api";r=0;t=9`: 9 * time.Second, `"api";r=10;t=9`: 0, `junk`: 0} {
		assert.Equal(t, want, retryAfter(http.Header{"Ratelimit": {text}}, now), text)
	}
}

// Answers that come from no Hub at all.
func TestNotAHub(t *testing.T) {
	for name, tc := range map[string]struct {
		body, hint string
		status     int
	}{
		"login page":  {body: "<html>Please log in</html>", hint: "the listing is not that of a Hub"},
		"array":       {body: "[]", hint: "the listing is not that of a Hub"},
		"no commit":   {body: `{"siblings":[]}`, hint: "tells no commit"},
		"path as sha": {body: `{"sha":"../../../../etc","siblings":[]}`, hint: "tells no commit"},
	} {
		s := newStub(t)
		s.onHub = func(w http.ResponseWriter, r *http.Request) bool { _, _ = w.Write([]byte(tc.body)); return true }
		c, _ := s.client(t, Options{})
		_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.ErrorIs(t, err, ErrBadAnswer, name)
		assert.ErrorContains(t, err, tc.hint)
		assertSafe(t, err)
	}
}

// HEAD answers that would put a file in the wrong place or commit.
func TestBadMetadata(t *testing.T) {
	for name, header := range map[string]map[string]string{
		"no etag":        {},
		"path as etag":   {"ETag": `"../../../x"`},
		"hidden etag":    {"ETag": `".x"`},
		"empty etag":     {"ETag": `""`},
		"another commit": {"ETag": `"x"`, "X-Repo-Commit": strings.Repeat("a", 40)},
		"another hash":   {"X-Linked-Etag": `"` + strings.Repeat("a", 64) + `"`},
	} {
		s := newStub(t)
		s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodHead {
				return false
			}
			for k, v := range header {
				w.Header().Set(k, v)
			}
			return true
		}
		c, _ := s.client(t, Options{})
		_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.ErrorIs(t, err, ErrBadAnswer, name)
		assertSafe(t, err)
		assert.NoDirExists(t, c.cacheOf(testRepo).path("snapshots"))
	}

	s := newStub(t)
	s.noBlobs = true
	s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			w.Header().Set("ETag", `"x"`)
			return true
		}
		return false
	}
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrBadAnswer)
	assert.ErrorContains(t, err, "size of the file")
}

func TestRedirects(t *testing.T) {
	for location, hint := range map[string]string{
		"file:///etc/passwd":                 "no web page",
		"mailto:a@b":                         "no web page",
		"/loop?Signature=SignedSignedSigned": "more than 10 redirects",
	} {
		s := newStub(t)
		s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
			return true
		}
		c, _ := s.client(t, Options{})
		_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
		require.ErrorIs(t, err, ErrBadAnswer, location)
		assert.ErrorContains(t, err, hint)
		assertSafe(t, err)
	}
}

// A mirror may send everything on to the Hub itself; the token, which is the mirror's, stays.
func TestRedirectingMirror(t *testing.T) {
	s := newStub(t)
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "Bearer "+testToken, r.Header.Get("Authorization"))
		http.Redirect(w, r, s.hub.URL+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	defer mirror.Close()
	s.onHub = func(w http.ResponseWriter, r *http.Request) bool {
		assert.Empty(t, r.Header.Get("Authorization"))
		return false
	}
	c, err := New(Options{Endpoint: mirror.URL, CacheDir: t.TempDir(), Token: testToken})
	require.NoError(t, err)
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.FileExists(t, c.cacheOf(testRepo).path("blobs/"+sha256sum(s.files["model.safetensors"])))
}

// From https nothing leads to http, with or without a token.
func TestRedirectDowngrade(t *testing.T) {
	s := newStub(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.storage.URL+r.URL.Path, http.StatusFound)
	}))
	defer secure.Close()
	c, err := New(Options{Endpoint: secure.URL, CacheDir: t.TempDir(), Token: testToken, HTTP: secure.Client()})
	require.NoError(t, err)
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrBadAnswer)
	assert.ErrorContains(t, err, "from https to http")
	assert.Zero(t, s.count("storage"))

	// A certificate that nobody vouches for is not tried five times.
	c, err = New(Options{Endpoint: secure.URL, CacheDir: t.TempDir()})
	require.NoError(t, err)
	start := time.Now()
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "certificate")
	assert.Less(t, time.Since(start), 8*time.Second)
}

// The caller's client makes the requests; its redirect policy stays out of it.
func TestCustomHTTPClient(t *testing.T) {
	s := newStub(t)
	used := 0
	transport := roundTripper(func(r *http.Request) (*http.Response, error) { used++; return http.DefaultTransport.RoundTrip(r) })
	own := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { panic("not to be asked") }}
	c, _ := s.client(t, Options{HTTP: own})
	_, err := c.Snapshot(t.Context(), testRepo, "main", func(n string) bool { return n == "model.safetensors" })
	require.NoError(t, err)
	assert.Equal(t, 4, used, "listing, HEAD, GET and its redirect")
	assert.NotNil(t, own.CheckRedirect)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Signed addresses of the storage host expire: a refusal there leads back to the Hub for a new one.
func TestExpiredStorageAddress(t *testing.T) {
	s := newStub(t)
	refused := 0
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool {
		if refused++; refused <= 2 {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	c, waits := s.client(t, Options{})
	dir, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.NoError(t, err)
	assertFiles(t, dir, s.lmFiles())
	assert.Len(t, *waits, 2)
	assert.Equal(t, 3, s.count("GET hub", "model.safetensors"))

	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true }
	c, _ = s.client(t, Options{})
	_, err = c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, "storage host")
	assertSafe(t, err)
}

// Signed addresses are secrets of a kind and stay out of errors also when the transport fails.
func TestStorageHostBroken(t *testing.T) {
	s := newStub(t)
	s.onStorage = func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) }
	c, _ := s.client(t, Options{})
	_, err := c.Snapshot(t.Context(), testRepo, "main", nil)
	require.ErrorIs(t, err, ErrUnavailable)
	assert.ErrorContains(t, err, s.storage.URL+"/bucket/model.safetensors: ")
	assertSafe(t, err)
}

func TestSameOrigin(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"https://hub", "https://hub:443/x"}:       true,
		{"https://hub", "https://HUB/x"}:           true,
		{"http://hub", "http://hub:80"}:            true,
		{"https://hub", "http://hub"}:              false,
		{"https://hub", "https://cdn.hub"}:         false,
		{"https://hub", "https://hub:8443"}:        false,
		{"http://127.0.0.1:1", "http://127.0.0.1"}: false,
	} {
		a, _ := url.Parse(pair[0])
		b, _ := url.Parse(pair[1])
		assert.Equal(t, want, sameOrigin(a, b), pair)
	}
}
