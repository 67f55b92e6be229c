package ingest

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/docent-ml/docent/internal/ingesttest"
)

func TestHTML(t *testing.T) {
	ingesttest.NothingLeft(t)
	cases := map[string]struct{ in, want string }{
		"paragraphs":                     {"<p>One\n  two</p><p>Three", "One two\n\nThree"},
		"inline":                         {"a<b>b</b> <i>c</i>.", "ab c."},
		"entities":                       {"caf&eacute; &amp; t&#x2F;&nbsp;x", "café & t/ x"},
		"break":                          {"one<br>two<br/>three", "one\ntwo\nthree"},
		"list":                           {"<ul><li>one<li>two <b>x</b></ul>after", "- one\n- two x\n\nafter"},
		"list with blocks":               {"<ol><li><p>one</p></li><li><p>two</p></li></ol>", "1. one\n\n2. two"},
		"table":                          {"<table><tr><th>Week<th>Topic</tr><tr><td>1</td><td>Limits, <b>sums</b></td></tr><tr><td></td><td>x</td></tr></table>", "Week\tTopic\n1\tLimits, sums\n\tx"},
		"hidden":                         {"a<script>if (x<y) alert('</p>')</script><style>p{}</style><template>t</template>b", "ab"},
		"title is no text":               {"<head><title>T</title><meta charset=utf-8></head><body>b</body>", "b"},
		"pre":                            {"<pre>a\n  b\n</pre>c", "a\n  b\n\n\nc"},
		"comment":                        {"a<!-- <p>no</p> -->b", "ab"},
		"never closed":                   {"<div><div><p>x<b>y", "xy"},
		"stray ends":                     {"</p></script></table>x</pre>y", "xy"},
		"nothing":                        {"", ""},
		"controls":                       {"a\x07b\u00adc", "abc"},
		"what is no UTF-8 stays visible": {"für \xff Zürich größer", "für \ufffd Zürich größer"},

		"breaks end a paragraph": {"one<br><br>two<br>\n<br/>three<br>four", "one\n\ntwo\n\nthree\nfour"},
		"nested lists":           {"<ul><li>Doors<ul><li>Front<li>Back</ul><li>Keys</ul>", "- Doors\n  - Front\n  - Back\n- Keys"},
		"list in an empty item":  {"<ul><li><ul><li>a</li></ul></li></ul>", "  - a"},
		"items of no width":      {"<ul><li>\u200b<li><!-- x --></ul>b", "b"},
		"empty items":            {"<ul><li><a href=x><img src=y></a><li> <li>&nbsp;</ul>b", "b"},
		"list numbers":           {"<ol start=3><li>c<li value=7>g<li>h</ol><ol type=a><li>x<li>y</ol><ol reversed><li>two<li>one</ol><ol type=I start=4><li>iv</ol>", "3. c\n7. g\n8. h\n\na. x\nb. y\n\n2. two\n1. one\n\nIV. iv"},
		"letters and zeros":      {"<ol style='list-style-type:lower-greek'><li>a</ol><ol style='list-style: decimal-leading-zero'><li>b</ol>", "α. a\n\n01. b"},
		"numbers of other kinds": {"<ol style='list-style: upper-roman inside'><li>a<li type=a>b</ol><ol style=list-style-type:none><li>c</ol>", "I. a\nb. b\n\nc"},
		"item outside a list":    {"<li>a<li>b", "- a\n- b"},

		"cells with blocks":       {"<table><tr><th><p>A</p><th>B<br>C</tr><tr><td><ul><li>x<li>y</ul><td><div>1</div><div>2</div></table>", "A\tB C\n- x - y\t1 2"},
		"table in a cell":         {"<table><tr><th>Room<th>Open</tr><tr><td>A1<td><table><tr><td>Mon<td>9</tr><tr><td>Tue<td>10</tr></table></tr></table>", "Room\tOpen\nA1\tMon 9 Tue 10"},
		"spanned cells":           {"<table><tr><td colspan=2>a<td>b</tr><tr><td rowspan=2>c<td>d<td>e</tr><tr><td>f<td>g</tr></table>", "a\t\tb\nc\td\te\n\tf\tg"},
		"foot before the body":    {"<table><tr><th>A<th>B<tfoot><tr><td>sum<td>3<tbody><tr><td rowspan=0>x<td>1<tr><td>2</table>", "A\tB\nx\t1\n\t2\nsum\t3"},
		"empty cells":             {"<table><tr><td><td>b<td></tr><tr><td>c<td><td>d</tr><tr><td> <td></tr></table>", "\tb\t\nc\t\td"},
		"caption":                 {"<table><caption>Rooms</caption><tr><td>a<td>b</table>", "Rooms\n\na\tb"},
		"code in a cell of data":  {"<table><tr><th>Name<th>Call<tr><td><h4>Open</h4><td><pre>open()\nwait()</pre></table>", "Name\tCall\nOpen\topen() wait()"},
		"headings of columns":     {"<table><tr><td><h3>Room</h3><td><h3> Seats </h3></tr><tr><td>A1<td>30</table>", "Room\tSeats\nA1\t30"},
		"table for layout":        {"<table><tr><td><h1>A</h1><p>x</p><td><p>menu</p></table>", "A\n\nx\n\nmenu"},
		"table of one cell":       {"<table><tr><td><p>a</p><p>b</p></table>", "a\n\nb"},
		"code beside its numbers": {"<table><tr><td><pre>1\n2</pre><td><pre>a {\n  b</pre></table>", "1\n2\n\na {\n  b"},
		"span of a liar":          {"<table><tr><td colspan=999999999 rowspan=999999999>a</td><td rowspan=-1>b</td></tr></table>", "a" + strings.Repeat("\t", 50) + "b"},

		"rows by their role":                 {"<div role=table><div role=row><b role=columnheader>A</b><b role=columnheader>B</b></div><div role=row><b role=cell>1</b><b role=cell><p>2</p></b></div><div role=row>c</div></div>", "A\tB\n1\t2\nc"},
		"pictures":                           {"<p>Press <img alt='Enter  key' src=k>twice<img alt=''>.<input type=image alt=Go><input value=no></p>", "Press Enter key twice. Go"},
		"labelled pictures":                  {"Press <svg role=img aria-label='Enter key'><text>x</text></svg> or <i role=img aria-label=Go></i>.<title>no</title>", "Press Enter key or Go ."},
		"labelled objects":                   {"See <object data=a.svg aria-label='Plan of the pier'><p>Get a browser.</p></object> and <canvas title=Tides>no</canvas>. <object data=b.swf>no</object><embed src=x>", "See Plan of the pier and Tides ."},
		"objects without data":               {"<object><p>Shown</p></object>b", "Shown\n\nb"},
		"drawing":                            {"a<svg><title>t</title><desc>d</desc><text x=1>Boiler</text><g><text>Pump</text></g></svg>b", "a\nBoiler\nPump\nb"},
		"drawing of parts":                   {"a<svg><defs><text>no</text></defs><text><tspan x=1>Boiler</tspan><tspan x=1 dy=2>room</tspan><tspan>s</tspan></text><foreignObject><p>Pump</p></foreignObject></svg>b", "a\nBoiler rooms\n\nPump\n\nb"},
		"drawing with a title":               {"Press <svg role=img><title>Enter key</title></svg> now", "Press Enter key now"},
		"svg without end in a section":       {"a<svg><g><article><section>Rooms</section></article>", "a\n\nRooms"},
		"page in a page":                     {"a<iframe srcdoc='&lt;p&gt;b'>no</iframe><iframe src=x></iframe>c", "a\n\nb\n\nc"},
		"svg without end":                    {"<p>a</p><svg><path d=x><p>b</p>", "a\n\nb"},
		"svg with an empty title and script": {"<svg><title/><script/><style/></svg><p>b</p>", "b"},
		"select":                             {"Pick <select><option>A<option>B</select> now", "Pick now"},
		"select without end":                 {"<p>a</p><select><option>A<option>B<p>b</p><p>c</p>", "a\n\nb\n\nc"},
		"select in a form":                   {"<form><select><option>A</form><p>b", "b"},
		"hidden elements":                    {"a<p hidden>no<p style='Display : None'>no<p style='visibility:hidden'>no<dialog>no</dialog><p hidden=until-found>yes<details><summary>s</summary>yes</details>", "a\n\nyes\n\ns\nyes"},
		"noscript and frames":                {"<noscript><p>no</noscript><iframe><p>no</iframe><noframes><p>no</noframes><noembed><b>no</noembed>b", "b"},
		"template":                           {"<template><p>no</template>b", "b"},
		"fields of a form":                   {"Name<input>Age<input type=number><button>Send</button><button>Clear</button>", "Name Age Send Clear"},
		"soft hyphens":                       {"Hafen&shy;meister<pre>a&shy;b</pre>", "Hafenmeister\n\nab"},
		"ruby":                               {"<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>に行く", "東京に行く"},

		"MathML":                 {"<math><mfrac><mn>12</mn><mn>5</mn></mfrac></math>, <math><mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac></math>, <math><msqrt><mi>x</mi></msqrt></math>, <math><msup><mn>10</mn><mn>-6</mn></msup></math>", "12/5, (a+b)/c, √x, 10⁻⁶"},
		"scripts on both sides":  {"<math><mmultiscripts><mi>C</mi><mn>6</mn><mo>+</mo><mprescripts/><none/><mn>14</mn></mmultiscripts></math>, <math><mmultiscripts><mi>R</mi><mi>i</mi><none/><none/><mi>j</mi></mmultiscripts></math>", "¹⁴C6+, Rij"},
		"digits of a formula":    {"<math><mn>2</mn><mfrac><mn>1</mn><mn>2</mn></mfrac></math>, <math><msub><mi>log</mi><mn>2</mn></msub><mn>8</mn></math>, <math><msub><mn>101</mn><mn>2</mn></msub></math>, <math><msubsup><mi>x</mi><mn>1</mn><mn>2</mn></msubsup></math>", "2 1/2, log2 8, 101_2, x1²"},
		"MathJax without MathML": {"a <span class=MathJax_SVG data-mathml='&lt;math&gt;&lt;mi&gt;x&lt;/mi&gt;&lt;/math&gt;'><svg></svg></span><script type=math/tex>x</script> b <span class=MathJax>125</span><script type=math/tex>\\frac{12}{5}</script> <mjx-container><mjx-math data-latex='y'></mjx-math></mjx-container>", "a x b \\frac{12}{5} y"},
		"formulas beside digits": {"2<math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>5, <math><mfenced open='['><mn>1</mn><mn>2</mn></mfenced></math>, <math><munderover><mo>∑</mo><mi>i</mi><mn>9</mn></munderover><mi>i</mi><mphantom><mn>0</mn></mphantom></math>", "2 1/2 5, [1,2), ∑_i^9 i"},
		"scripts":                {"2<sup>1</sup>/<sub>2</sub>, 101<sub>2</sub>, H<sub>2</sub>O, in 1999<sup><a href='#n'>3</a></sup>", "2 1/2, 101_2, H2O, in 1999[3]"},
		"powers":                 {"10<sup>6</sup> m<sup>2</sup>, note<sup>1</sup>", "10⁶ m2, note1"},
		"powers below zero":      {"10<sup>–3</sup>, 10<sup>−3</sup>", "10⁻³, 10⁻³"},
		"fractions by style":     {"2<span style='vertical-align:super'>1</span>/<span style='vertical-align:sub'>2</span>", "2 1/2"},
		"powers by style":        {"10<span style='font-size: 60%; Vertical-Align: super'>6</span>, 101<span style='vertical-align:sub'>2</span>", "10⁶, 101_2"},
		"MathJax 2":              {"a <span class=MathJax_Preview>x+y</span><span class=MathJax><nobr aria-hidden=true>x+y</nobr><span class=MJX_Assistive_MathML><math><mi>x</mi><mo>+</mo><mi>y</mi></math></span></span><script type=math/tex>x+y</script> b", "a x+y b"},
		"MathJax 3":              {"a <mjx-container><svg><text>x</text></svg><mjx-assistive-mml><math><mi>x</mi></math></mjx-assistive-mml></mjx-container> b", "a x b"},
		"MathJax's source":       {"a<script type='math/tex; mode=display'>\\pi r^2</script>b<script type=math/tex></script>", "a \\pi r^2 b"},
		"MediaWiki":              {"a <span class=mwe-math-element><span style='display: none'><math><mi>π</mi><annotation encoding=x>{\\pi}</annotation></math></span><img alt='{\\displaystyle \\pi}' src=x></span> b", "a π b"},

		"XHTML":                      {"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='x'/><style/></head><body><p>a</p><p/><a id='x'/><i/><textarea/>b<br/>c<pre><![CDATA[1 < 2 &amp; <b>]]></pre></body></html>", "a\n\nb\nc\n\n1 < 2 &amp; <b>"},
		"XHTML by its namespace":     {"<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN' 'x'>\n<html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><div/>b", "b"},
		"without an end":             {"<title>T<p>a</p><textarea>b<p>c</p><noscript><p>d</p><iframe src=x>e", "a\n\nb\n\nc\n\nd\n\ne"},
		"closed as in XHTML":         {"<html><head><title/><script src=x /></head><body><style/><noscript/><p>a</p><iframe/><textarea/>b", "a\n\nb"},
		"script with an end":         {"<script src=x/>if (a<b) no()</script><p>b", "b"},
		"entities of XHTML":          {"<!DOCTYPE html PUBLIC 'x' 'y' [\n<!ENTITY co \"Harbour &amp; Co\">\n]>\n<html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><p>&co;</p></body></html>", "Harbour & Co"},
		"XHTML with SVG":             {"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body><svg><title/><script/><path/></svg><p>b</p></body></html>", "b"},
		"CDATA in HTML is a comment": {"<p>a<![CDATA[x]]>b", "ab"},
	}
	for name, c := range cases {
		d, err := HTML{}.Read(context.Background(), memory(c.in), int64(len(c.in)))
		assert.NoError(t, err, name)
		assert.Equal(t, c.want, d.Pages[0].Text, name)
		assert.Equal(t, "text/html", d.MediaType)
	}
}

func TestHTMLTitleAndEncodings(t *testing.T) {
	ingesttest.NothingLeft(t)
	d, err := one(t, fstest.MapFS{"a.html": {Data: []byte("<html><title> My\n page </title><svg><title>no</title></svg><p>x")}}, Options{})
	assert.NoError(t, err)
	assert.Equal(t, "My page", d.Title)
	for name, data := range map[string]string{
		"declared": "<meta charset=iso-8859-7>\xea\xe1\xeb\xe7\xec\xdd\xf1\xe1", "UTF-8": "καλημέρα", "UTF-8 with a mark": "\xEF\xBB\xBFκαλημέρα",
		"UTF-16": "\xff\xfe\xba\x03\xb1\x03\xbb\x03\xb7\x03\xbc\x03\xad\x03\xc1\x03\xb1\x03",
	} {
		d, err := one(t, fstest.MapFS{"A.HTM": {Data: []byte(data)}}, Options{})
		assert.NoError(t, err, name)
		assert.Equal(t, "καλημέρα", d.Text(), name)
	}
	d, _ = one(t, fstest.MapFS{"a.html": {Data: []byte("\x00\x01binary")}}, Options{})
	assert.Equal(t, Malformed, d.Outcome)
	for page, why := range map[string]string{
		"<p> </p>": "the file is blank", "<img src=a><img src=b alt=''>": "2 pictures and no words", "<div id=root></div><noscript>Turn it on.</noscript><script>run()</script>": "scripts alone",
		"<iframe src=x></iframe>": "frames alone",
	} {
		d, err = one(t, fstest.MapFS{"a.html": {Data: []byte(page)}}, Options{})
		assert.Equal(t, Empty, d.Outcome)
		assert.ErrorContains(t, err, why)
	}
}

// A tree of this depth takes minutes to build, or the stack.
func TestHTMLNestedWithoutEnd(t *testing.T) {
	ingesttest.NothingLeft(t)
	in := strings.Repeat("<div><b><table><tr><td>", 200_000) + "deep"
	d, err := HTML{}.Read(context.Background(), memory(in), int64(len(in)))
	assert.NoError(t, err)
	assert.Equal(t, "deep", strings.TrimSpace(d.Text()))
	scripts, began := strings.Repeat("<sup>", 400)+strings.Repeat("1 ", 1<<18), time.Now()
	_, err = HTML{}.Read(context.Background(), memory(scripts), int64(len(scripts)))
	assert.NoError(t, err)
	assert.Less(t, time.Since(began), 10*time.Second, "some thirty where each of them reads all")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = HTML{}.Read(ctx, memory(in), int64(len(in)))
	assert.ErrorIs(t, err, context.Canceled)
}

func FuzzHTML(f *testing.F) {
	f.Add([]byte("<table><tr><td>a<p>b</td></tr></table><pre> x</pre><ul><li>&eacute;"))
	f.Add([]byte("<script><!--<script></script>--></script><title>x"))
	f.Add([]byte("\xff\xfea\x00<\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := HTML{}.Read(context.Background(), memory(bytes.Clone(data)), int64(len(data)))
		if err == nil && utf8.Valid(data) && !utf8.ValidString(d.Text()) {
			t.Fatal("text is not UTF-8")
		}
	})
}

// A page that declares abbreviations to grow a thousandfold keeps them as they are.
func TestEntityBomb(t *testing.T) {
	page := "<!DOCTYPE html [<!ENTITY a \"" + strings.Repeat("x", 100) + "\">]><p>" + strings.Repeat("&a;", 20000)
	assert.LessOrEqual(t, len(expandEntities(page)), len(page))
	small := "<!DOCTYPE html [<!ENTITY a \"harbour\">]><p>&a;"
	assert.Contains(t, expandEntities(small), "<p>harbour")
}
