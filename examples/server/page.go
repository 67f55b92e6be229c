package main

import (
	"crypto/rand"
	_ "embed"
	"html/template"
	"net/http"

	"github.com/docent-ml/docent/examples/internal/config"
)

var (
	//go:embed page/page.html.tmpl
	pageSource string
	//go:embed page/chat.js
	chatSource string
	//go:embed page/markdown-it.min.js
	markdownSource string // markdown-it 15.0.3, MIT, see page/markdown-it.LICENSE
)

// newPage is the program's own route beside the API: a chat with the models, and how to call them.
func newPage(cfg config.Server, needsKey bool) http.Handler {
	page := template.Must(template.New("page").Parse(pageSource)) // a constant, which a test renders
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme := "http"
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
		data := struct {
			URL, Prefix, Nonce string
			Models             []config.ModelRef
			NeedsKey           bool
			Length             int
			Chat, Markdown     template.JS
		}{scheme + "://" + r.Host + cfg.Prefix + "/v1", cfg.Prefix, rand.Text(), cfg.Models, needsKey, cfg.DefaultMaxTokens, template.JS(chatSource), template.JS(markdownSource)}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "+
			"frame-ancestors 'none'; script-src 'nonce-"+data.Nonce+"'")
		_ = page.Execute(w, data) // an error here means that the client has left
	})
}
