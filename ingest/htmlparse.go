package ingest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// parseHTML builds the tree that a browser would. What a browser reads by other
// rules than those of HTML is rewritten first: XHTML, and nesting deeper than the
// parser goes, which is as deep as browsers go.
func parseHTML(ctx context.Context, source string) (*html.Node, error) {
	source = expandEntities(source)
	r := &rewriter{xhtml: isXHTML(source)}
	if r.xhtml || newUnended(source).any() {
		var err error
		if source, err = r.rewrite(ctx, source); err != nil {
			return nil, err
		}
	}
	root, err := html.Parse(&ticking{ctx: ctx, r: strings.NewReader(source)})
	if err != nil && ctx.Err() == nil {
		r.xhtml, r.maxDepth = false, maxNesting
		if source, err = r.rewrite(ctx, source); err == nil {
			root, err = html.Parse(&ticking{ctx: ctx, r: strings.NewReader(source)})
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	return root, nil
}

// maxNesting is far below the 512 elements that the parser takes, because it
// opens some of its own, such as <tbody>, and opens <b> again in each block.
const maxNesting = 100

// ticking is a reader that ends with its context.
type ticking struct {
	ctx context.Context
	r   io.Reader
}

func (t *ticking) Read(b []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	return t.r.Read(b)
}

var xhtmlRoot = regexp.MustCompile(`(?i)^\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE\s[^>]*>\s*)?<html[^>]*\sxmlns\s*=`)

func isXHTML(source string) bool {
	return strings.HasPrefix(strings.TrimLeft(source, " \n"), "<?xml") || xhtmlRoot.MatchString(source[:min(len(source), 4096)])
}

var (
	subset = regexp.MustCompile(`(?is)^(.{0,1000}?<!DOCTYPE[^>\[]*)\[(.*?)\]\s*>`)
	entity = regexp.MustCompile(`<!ENTITY\s+([\w.-]+)\s+["']([^"']{0,100})["']`)
)

// expandEntities reads the abbreviations that an XHTML page declares for itself.
func expandEntities(source string) string {
	m := subset.FindStringSubmatch(source)
	if m == nil {
		return source
	}
	var pairs []string
	grows := 0
	for _, e := range entity.FindAllStringSubmatch(m[2], 100) {
		name := "&" + e[1] + ";"
		grows += strings.Count(source, name) * max(0, len(e[2])-len(name))
		pairs = append(pairs, name, e[2])
	}
	if grows > 1<<20 { // no page needs that, a bomb does
		return source
	}
	return m[1] + ">" + strings.NewReplacer(pairs...).Replace(source[len(m[0]):])
}

func atoms(all ...atom.Atom) map[atom.Atom]bool {
	set := map[atom.Atom]bool{}
	for _, a := range all {
		set[a] = true
	}
	return set
}

var (
	// Elements whose content is text, whatever tags stand in it.
	rawText = atoms(atom.Title, atom.Textarea, atom.Script, atom.Style, atom.Iframe, atom.Noscript, atom.Noembed, atom.Noframes, atom.Xmp)
	// What may stand in a <select>.
	inSelect = atoms(atom.Select, atom.Option, atom.Optgroup, atom.Hr, atom.Script, atom.Template, atom.Button, atom.Span, atom.Img, atom.B, atom.I)
	// Elements without an end.
	void = atoms(atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param, atom.Source, atom.Track, atom.Wbr)
	// Elements whose end tag is mostly left out.
	endsByItself = atoms(atom.P, atom.Li, atom.Dt, atom.Dd, atom.Option, atom.Optgroup, atom.Tr, atom.Td, atom.Th, atom.Thead, atom.Tbody, atom.Tfoot, atom.Rt, atom.Rp)
)

// unended finds elements whose end is missing. Browsers then take all the rest of
// the page for their content.
type unended struct {
	page string         // in small letters
	ends map[string]int // the next one of each tag; behind the page: none
}

func newUnended(source string) *unended {
	small := []byte(source)
	for i, c := range small {
		if 'A' <= c && c <= 'Z' {
			small[i] = c + 'a' - 'A'
		}
	}
	return &unended{string(small), map[string]int{}}
}

func (u *unended) any() bool {
	missing := func(a atom.Atom) bool {
		return strings.Count(u.page, "<"+a.String()) != strings.Count(u.page, "</"+a.String())
	}
	return missing(atom.Select) || slices.ContainsFunc(slices.Collect(maps.Keys(rawText)), missing)
}

// at tells whether an element whose start tag ends at an offset has no end before
// the next one of its kind begins.
func (u *unended) at(offset int, tag string) bool {
	end, known := u.ends[tag]
	if !known || end < offset {
		if end = len(u.page); strings.Contains(u.page[offset:], "</"+tag) {
			end = offset + strings.Index(u.page[offset:], "</"+tag)
		}
		u.ends[tag] = end
	}
	return end == len(u.page) || strings.Contains(u.page[offset:end], "<"+tag)
}

// rewriter changes the tags of a page.
type rewriter struct {
	xhtml    bool // "<p/>" is an element, and CDATA is text
	maxDepth int  // tags nested deeper are left out; 0: none are
}

func (r *rewriter) rewrite(ctx context.Context, source string) (string, error) {
	z := html.NewTokenizer(strings.NewReader(source))
	z.AllowCDATA(r.xhtml)
	var b strings.Builder
	foreign, choosing := 0, false                    // inside <svg> or <math>; inside <select>
	ends, read, missing := newUnended(source), 0, "" // an end tag that stands before the next tag
	open := map[atom.Atom]int{}
	depth, left := 0, map[atom.Atom]int{}
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		kind := z.Next()
		if kind == html.ErrorToken {
			return b.String(), nil
		}
		raw := string(z.Raw())
		read += len(raw)
		if kind != html.TextToken {
			b.WriteString(missing)
			missing = ""
		}
		if kind == html.TextToken && strings.HasPrefix(raw, "<![CDATA[") {
			b.WriteString(html.EscapeString(strings.TrimSuffix(raw[len("<![CDATA["):], "]]>")))
			continue
		}
		if kind != html.StartTagToken && kind != html.EndTagToken && kind != html.SelfClosingTagToken {
			b.WriteString(raw)
			continue
		}
		name, _ := z.TagName()
		tag := string(name)
		if foreign > 0 {
			z.NextIsNotRawText() // a <title> there is an element like any other
		}
		a := atom.Lookup(name)
		if choosing && !inSelect[a] { // it was never closed
			choosing = false
			b.WriteString("</select>")
		}
		switch {
		case a == atom.Select:
			choosing = kind == html.StartTagToken
		case a == atom.Svg || a == atom.Math:
			if kind == html.StartTagToken {
				foreign++
			} else if kind == html.EndTagToken {
				foreign = max(foreign-1, 0)
			}
		}
		cut := rawText[a] && foreign == 0 && kind != html.EndTagToken && ends.at(read, tag)
		if kind == html.SelfClosingTagToken && foreign == 0 && (r.xhtml && !void[a] || cut) {
			z.NextIsNotRawText()
			b.WriteString(strings.TrimRight(strings.TrimSuffix(raw, ">"), "/ \n\t") + "></" + tag + ">")
			continue
		}
		if cut && a != atom.Script && a != atom.Style { // of these nothing is text
			z.NextIsNotRawText()
			b.WriteString(raw)
			if missing = "</" + tag + ">"; a != atom.Title { // its text is one
				b.WriteString(missing)
				missing = ""
			}
			continue
		}
		if r.maxDepth > 0 && !void[a] && !endsByItself[a] {
			switch kind {
			case html.StartTagToken:
				if depth >= r.maxDepth {
					left[a]++
					continue
				}
				depth++
				open[a]++
			case html.EndTagToken:
				if left[a] > 0 {
					left[a]--
					continue
				}
				if open[a] > 0 {
					open[a]--
					depth--
				}
			}
		}
		b.WriteString(raw)
	}
}
