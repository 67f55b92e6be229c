package office

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

// EPUB reads electronic books without copy protection, a file of the book's spine a page, as ingest.HTML reads it.
type EPUB struct{}

const maxSpine = 10_000

// Read implements ingest.Reader.
func (EPUB) Read(ctx context.Context, r io.ReaderAt, size int64) (*ingest.Document, error) {
	z, err := zipxml.Open(r, size, "an electronic book")
	if err != nil {
		return nil, err
	}
	container, err := z.Tree(ctx, "META-INF/container.xml")
	if err != nil {
		return nil, fmt.Errorf("%w: no electronic book: %w", ingest.ErrMalformed, err)
	}
	main := container.Kid("rootfiles", "rootfile").Attr("full-path")
	book, err := z.Tree(ctx, main)
	if err != nil {
		return nil, fmt.Errorf("%w: the book's list of files: %w", ingest.ErrMalformed, err)
	}
	locked := map[string]bool{}
	if root, err := z.Tree(ctx, "META-INF/encryption.xml"); err == nil {
		for _, ref := range root.All("CipherReference") {
			locked[ref.Attr("URI")] = true
		}
	}
	files, unread := map[string]string{}, map[string]string{}
	for _, item := range book.Kid("manifest").All("item") {
		name, err := url.PathUnescape(item.Attr("href"))
		switch kind := item.Attr("media-type"); {
		case err == nil && (strings.Contains(kind, "html") || kind == "text/x-oeb1-document" || kind == "image/svg+xml"):
			files[item.Attr("id")] = path.Join(path.Dir(main), name)
		case !strings.HasPrefix(kind, "image/"):
			unread[item.Attr("id")] = fmt.Sprintf("%s (%s)", path.Base(item.Attr("href")), kind)
		}
	}
	doc := &ingest.Document{MediaType: "application/epub+zip", Title: oneLine(book.Kid("metadata", "title").String())}
	var blank error // of the first page without text
	for i, ref := range book.Kid("spine").All("itemref") {
		name := files[ref.Attr("idref")]
		if what := unread[ref.Attr("idref")]; what != "" {
			doc.AddFault(i+1, "%s left out: no reader for it here", what)
		}
		if name == "" {
			continue
		}
		if locked[name] {
			return nil, fmt.Errorf("%w: the book is protected against copying", ingest.ErrEncrypted)
		}
		if i >= maxSpine {
			return nil, fmt.Errorf("%w: more than %d files in the spine", ingest.ErrTooLarge, maxSpine)
		}
		data, err := z.Read(name)
		if err == nil {
			var page *ingest.Document
			if page, err = (ingest.HTML{}).Read(ctx, bytes.NewReader(data), int64(len(data))); err == nil {
				if err := addPage(doc, i+1, page.Text()); err != nil {
					return nil, err
				}
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, ingest.ErrNoText) && blank == nil { // a cover is no loss
			blank = err
		} else if err != nil {
			doc.AddFault(i+1, "%s left out: %v", path.Base(name), err)
		}
	}
	if blank != nil && len(doc.Pages) == 0 {
		return nil, blank
	}
	return doc, ctx.Err()
}
