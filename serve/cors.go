package serve

import (
	"net/http"
	"slices"
	"strings"
)

// Headers that a page on another site may read. Authorization and what clients of OpenAI send may come from it.
var exposedHeaders = strings.Join([]string{
	"X-Request-Id", "Retry-After", "X-Should-Retry", "Openai-Processing-Ms", "Server-Timing", "X-Docent-Ignored", "X-Docent-Clamped",
	"X-Docent-Dropped-Messages", "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
	"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens",
}, ", ")

// allowOrigin sets the headers that let a page of an allowed origin read the response, also if it is an error.
func (x *exchange) allowOrigin() (allowed bool) {
	if len(x.h.o.AllowedOrigins) == 0 {
		return false
	}
	header := x.w.Header()
	header.Add("Vary", "Origin")
	origin := x.r.Header.Get("Origin")
	any := slices.Contains(x.h.o.AllowedOrigins, "*")
	if origin == "" || !any && !slices.Contains(x.h.o.AllowedOrigins, origin) {
		return false
	}
	if any {
		origin = "*"
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", exposedHeaders)
	return true
}

// preflight answers a browser that asks whether it may send a request.
func (x *exchange) preflight(allow string) error {
	header := x.w.Header()
	header.Set("Access-Control-Allow-Methods", allow)
	if wanted := x.r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		header.Set("Access-Control-Allow-Headers", wanted) // clients bring headers of their own, which mean nothing here
		header.Add("Vary", "Access-Control-Request-Headers")
	}
	header.Set("Access-Control-Max-Age", "7200")
	x.status = http.StatusNoContent
	x.write(func() { x.w.WriteHeader(http.StatusNoContent) })
	return nil
}
