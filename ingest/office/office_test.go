package office

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
	"github.com/docent-ml/docent/ingest/internal/zipxml"
)

func packed(t testing.TB, parts map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range parts {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func read(r ingest.Reader, data []byte) (*ingest.Document, error) {
	return r.Read(context.Background(), bytes.NewReader(data), int64(len(data)))
}

func text(t *testing.T, r ingest.Reader, data []byte) string {
	t.Helper()
	d, err := read(r, data)
	require.NoError(t, err)
	assert.Empty(t, d.Faults)
	return d.Text()
}

func shape(kind string, paragraphs ...string) string {
	s := `<p:sp><p:nvSpPr><p:nvPr><p:ph type="` + kind + `"/></p:nvPr></p:nvSpPr><p:txBody>`
	for _, p := range paragraphs {
		s += `<a:p><a:r><a:t>` + p + `</a:t></a:r></a:p>`
	}
	return s + `</p:txBody></p:sp>`
}

func presentation(slide string) map[string]string {
	return map[string]string{
		"ppt/presentation.xml":            `<p:presentation xmlns:r="r"><p:sldIdLst><p:sldId id="256" r:id="r2"/><p:sldId id="257" r:id="r1"/></p:sldIdLst></p:presentation>`,
		"ppt/_rels/presentation.xml.rels": `<Relationships><Relationship Id="r1" Type="x/slide" Target="slides/slide1.xml"/><Relationship Id="r2" Type="x/slide" Target="slides/slide2.xml"/></Relationships>`,
		"ppt/slides/slide1.xml":           `<p:sld><p:cSld><p:spTree>` + shape("title", "Last") + `</p:spTree></p:cSld></p:sld>`,
		"ppt/slides/slide2.xml":           `<p:sld xmlns:r="r"><p:cSld><p:spTree>` + slide + `</p:spTree></p:cSld></p:sld>`,
		"ppt/slides/_rels/slide2.xml.rels": `<Relationships><Relationship Id="n" Type="x/notesSlide" Target="../notesSlides/n.xml"/>` +
			`<Relationship Id="c" Type="x/chart" Target="../charts/chart1.xml"/><Relationship Id="d" Type="x/diagramData" Target="../diagrams/data1.xml"/></Relationships>`,
		"ppt/notesSlides/n.xml":  `<p:notes><p:cSld><p:spTree>` + shape("sldNum", "1") + shape("body", "Say hello.") + `</p:spTree></p:cSld></p:notes>`,
		"ppt/charts/chart1.xml":  `<c:chartSpace><c:chart><c:title><a:p><a:r><a:t>Guests</a:t></a:r></a:p></c:title><c:ser><c:tx><c:v>Boats</c:v></c:tx><c:cat><c:v>2024</c:v><c:v>2025</c:v></c:cat><c:val><c:v>3</c:v><c:v>5</c:v></c:val></c:ser></c:chart></c:chartSpace>`,
		"ppt/diagrams/data1.xml": `<dgm:dataModel><dgm:pt><dgm:t><a:p><a:r><a:t>First box</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:dataModel>`,
		"docProps/core.xml":      `<cp:coreProperties><dc:title>Harbour</dc:title></cp:coreProperties>`,
	}
}

func TestSlides(t *testing.T) {
	cell := func(s string) string {
		return `<a:tc><a:txBody><a:p><a:r><a:t>` + s + `</a:t></a:r></a:p></a:txBody></a:tc>`
	}
	numbered := `<p:sp><p:nvSpPr/><p:txBody><a:p><a:pPr><a:buAutoNum type="arabicParenR"/></a:pPr><a:r><a:t>one</a:t></a:r></a:p><a:p><a:pPr><a:buAutoNum type="arabicParenR"/></a:pPr><a:r><a:t>two</a:t></a:r></a:p></p:txBody></p:sp>` +
		`<p:sp><p:nvSpPr/><p:txBody><a:p><a:pPr><a:buAutoNum type="romanUcPeriod" startAt="4"/></a:pPr><a:r><a:t>10</a:t></a:r><a:r><a:rPr baseline="30000"/><a:t>6</a:t></a:r></a:p></p:txBody></p:sp>`
	data := packed(t, presentation(shape("body", "Body")+shape("title", "Title")+shape("ftr", "footer")+numbered+
		`<p:grpSp><p:pic><p:nvPicPr><p:cNvPr descr="A crane"/></p:nvPicPr></p:pic></p:grpSp>`+
		`<p:graphicFrame><a:graphic><a:graphicData><a:tbl><a:tr>`+cell("Room")+cell("")+cell("Key")+`</a:tr></a:tbl></a:graphicData></a:graphic></p:graphicFrame>`+
		`<p:graphicFrame><a:graphic><a:graphicData><c:chart r:id="c"/></a:graphicData></a:graphic></p:graphicFrame>`+
		`<p:graphicFrame><a:graphic><a:graphicData><dgm:relIds r:dm="d" r:lo="x"/></a:graphicData></a:graphic></p:graphicFrame>`))
	d, err := read(PPTX{}, data)
	require.NoError(t, err)
	assert.Equal(t, "Harbour", d.Title)
	odd := packed(t, presentation(`<p:sp><p:nvSpPr><p:cNvPr descr="A key"/></p:nvSpPr></p:sp><p:sp><p:txBody><a:p><a:r><a:rPr><a:sym typeface="Symbol"/></a:rPr><a:t>x5</a:t></a:r></a:p></p:txBody></p:sp>`))
	assert.Contains(t, text(t, PPTX{}, odd), "A key\n\nx≥5")
	require.Len(t, d.Pages, 2)
	assert.Equal(t, "Title\n\nBody\n\n1) one\n2) two\n\nIV. 10⁶\n\nA crane\n\nRoom\t\tKey\n\nGuests\n\n\t2024\t2025\nBoats\t3\t5\n\nFirst box\n\nNotes: Say hello.", d.Pages[0].Text)
	assert.Equal(t, ingest.Page{Number: 2, Text: "Last"}, d.Pages[1])
}

func odfFile(t testing.TB, kind, body, styles string) []byte {
	return packed(t, map[string]string{
		"mimetype":    "application/vnd.oasis.opendocument." + kind,
		"content.xml": `<office:document-content><office:automatic-styles>` + styles + `</office:automatic-styles><office:body><office:` + kind + `>` + body + `</office:` + kind + `></office:body></office:document-content>`,
		"meta.xml":    `<office:document-meta><office:meta><dc:title>The title</dc:title></office:meta></office:document-meta>`,
	})
}

func TestOpenDocument(t *testing.T) {
	styles := `<text:list-style style:name="L"><text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/><text:list-level-style-number text:level="2" style:num-format="a" text:display-levels="2"/></text:list-style><style:style style:name="T1" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>` +
		`<text:list-style style:name="B"><text:list-level-style-bullet text:level="1"/></text:list-style><text:outline-style><text:outline-level-style text:level="1" style:num-format="I" style:num-suffix="."/></text:outline-style>`
	body := `<text:tracked-changes><text:deletion><text:p>gone</text:p></text:deletion></text:tracked-changes><text:h text:outline-level="1">Keys</text:h>` +
		`<text:p>One<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>  and <text:span>two</text:span><text:s text:c="2"/><text:line-break/>x<office:annotation><text:p>no</text:p></office:annotation></text:p>` +
		`<text:list text:style-name="L"><text:list-item><text:p>a</text:p><text:list><text:list-item><text:p>b</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>c 10<text:span text:style-name="T1">6</text:span></text:p></text:list-item></text:list>` +
		`<text:list text:style-name="B"><text:list-item><text:p>dot</text:p></text:list-item></text:list><text:soft-page-break/>` +
		`<table:table><table:table-row><table:table-cell><text:p>Room</text:p></table:table-cell><table:table-cell table:number-columns-repeated="2"/><table:table-cell><text:p>1</text:p><text:p>2</text:p></table:table-cell></table:table-row></table:table>` +
		`<text:p><text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>とうきょう</text:ruby-text></text:ruby><draw:frame><draw:image/><svg:desc>A crane</svg:desc></draw:frame></text:p>`
	d, err := read(ODF{}, odfFile(t, "text", body, styles))
	require.NoError(t, err)
	assert.Equal(t, "The title", d.Title)
	assert.Equal(t, []ingest.Page{
		{Number: 1, Text: "I. Keys\n\nOne[1] and two  \nx\n\n1. a\n\n1.a b\n\n2. c 10⁶\n\n- dot"},
		{Number: 2, Text: "Room\t\t\t1 2\n\n東京A crane\n\n[1] A note."},
	}, d.Pages)

	again := `<text:list text:style-name="L"><text:list-item><text:p>a</text:p></text:list-item></text:list><text:p>b <draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></text:p><text:list text:style-name="L" text:continue-numbering="true"><text:list-item><text:p>c</text:p></text:list-item></text:list>`
	parts := map[string]string{"content.xml": `<office:document-content><office:automatic-styles>` + styles + `</office:automatic-styles><office:body><office:text>` + again + `</office:text></office:body></office:document-content>`,
		"Object 1/content.xml": `<?xml version="1.0"?><math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mfrac><mn>12</mn><mn>5</mn></mfrac><annotation encoding="StarMath 5.0">12 over 5</annotation></semantics></math>`}
	assert.Equal(t, "1. a\n\nb 12/5\n\n2. c", text(t, ODF{}, packed(t, parts)))

	row := func(cells ...string) string {
		s := "<table:table-row>"
		for _, c := range cells {
			s += "<table:table-cell><text:p>" + c + "</text:p></table:table-cell>"
		}
		return s + "</table:table-row>"
	}
	sheet := `<table:table table:name="Rooms">` + row("Room", "Seats") + row("A1", "30") + row("", "9") + `<table:table-row table:number-rows-repeated="1048576"><table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>`
	assert.Equal(t, "Rooms\n\nRoom: A1\tSeats: 30\nSeats: 9", text(t, ODF{}, odfFile(t, "spreadsheet", sheet, "")))
	slide := `<draw:page><draw:frame><draw:text-box><text:p>Hello</text:p></draw:text-box></draw:frame><presentation:notes><draw:frame><draw:text-box><text:p>Say it.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>`
	assert.Equal(t, "Hello\n\nNotes: Say it.", text(t, ODF{}, odfFile(t, "presentation", slide, "")))
}

// What an office program does not show is no text.
func TestHiddenParts(t *testing.T) {
	styles := `<style:style style:name="H" style:family="paragraph"><style:text-properties text:display="none"/></style:style><style:style style:name="H" style:family="text"><style:text-properties text:display="none"/></style:style>`
	body := `<text:p>a<text:span text:style-name="H">no</text:span> b</text:p><text:p text:style-name="H">no</text:p><text:section text:display="none"><text:p>no</text:p></text:section><text:p>c</text:p>`
	assert.Equal(t, "a b\n\nc", text(t, ODF{}, odfFile(t, "text", body, styles)))
	styles = `<style:style style:name="H" style:family="paragraph"><style:text-properties text:display="none"/></style:style><style:style style:name="H1" style:family="paragraph" style:parent-style-name="H"/>` +
		`<style:style style:name="H1" style:family="text"/><style:style style:name="gone" style:family="table"><style:table-properties table:display="false"/></style:style>`
	body = `<text:p text:style-name="H1">no</text:p><text:p>a<text:span text:style-name="H1">b</text:span></text:p><text:p>no<text:hidden-paragraph text:is-hidden="true"/></text:p><text:section text:display="condition" text:is-hidden="true"><text:p>no</text:p></text:section>`
	assert.Equal(t, "ab", text(t, ODF{}, odfFile(t, "text", body, styles)))
	row := func(cells ...string) string {
		return "<table:table-row><table:table-cell><text:p>" + strings.Join(cells, "</text:p></table:table-cell><table:table-cell><text:p>") + "</text:p></table:table-cell></table:table-row>"
	}
	sheets := `<table:table table:name="No" table:style-name="gone">` + row("no") + `</table:table><table:table table:name="Rooms"><table:shapes><draw:frame><draw:text-box><text:p>A box</text:p></draw:text-box></draw:frame></table:shapes>` +
		`<table:table-column/><table:table-column-group table:display="false"><table:table-column table:number-columns-repeated="2"/></table:table-column-group><table:table-column/><table:table-column table:visibility="collapse"/>` +
		row("Room", "no", "no", "Seats", "no") + `<table:table-row-group table:display="false">` + row("no") + `</table:table-row-group>` + row("A1", "no", "no", "30", "no") + `</table:table>`
	d, err := read(ODF{}, odfFile(t, "spreadsheet", sheets, styles))
	require.NoError(t, err)
	assert.Equal(t, []ingest.Page{{Number: 2, Text: "Rooms\n\nRoom: A1\tSeats: 30\n\nA box"}}, d.Pages)
	shapes := strings.Replace(shape("body", "no"), "<p:nvSpPr>", `<p:nvSpPr><p:cNvPr id="2" hidden="1"/>`, 1)
	require.Contains(t, shapes, "hidden")
	assert.NotContains(t, text(t, PPTX{}, packed(t, presentation(shapes))), "no\n")
	slides := presentation(shape("body", "no"))
	slides["ppt/slides/slide2.xml"] = strings.Replace(slides["ppt/slides/slide2.xml"], "<p:sld ", `<p:sld show="0" `, 1)
	d, err = read(PPTX{}, packed(t, slides))
	require.NoError(t, err)
	assert.Equal(t, []ingest.Page{{Number: 1}, {Number: 2, Text: "Last"}}, d.Pages)
	styles = `<style:style style:name="away" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>`
	pages := `<draw:page draw:style-name="away"><draw:frame><draw:text-box><text:p>no</text:p></draw:text-box></draw:frame></draw:page><draw:page><draw:frame><draw:text-box><text:p>Ha` + "\u00AD" + `fen</text:p></draw:text-box></draw:frame></draw:page>`
	d, err = read(ODF{}, odfFile(t, "presentation", pages, styles))
	require.NoError(t, err)
	assert.Equal(t, []ingest.Page{{Number: 2, Text: "Hafen"}}, d.Pages)
	item := func(level int, kind, s string) string {
		return fmt.Sprintf(`<a:p><a:pPr lvl="%d"><a:buAutoNum type="%s"/></a:pPr><a:r><a:t>%s</a:t></a:r></a:p>`, level, kind, s)
	}
	list := `<p:sp><p:txBody>` + item(0, "arabicPeriod", "One") + item(1, "alphaLcParenR", "x") + item(0, "arabicPeriod", "Two") + item(1, "alphaLcParenR", "y") + `</p:txBody></p:sp>`
	assert.Contains(t, text(t, PPTX{}, packed(t, presentation(list))), "1. One\na) x\n2. Two\na) y")
}

func TestBooks(t *testing.T) {
	book := map[string]string{
		"META-INF/container.xml": `<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>`,
		"OEBPS/book.opf": `<package><metadata><dc:title>The Book</dc:title></metadata><manifest><item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/><item id="n" href="nav.xhtml" media-type="application/xhtml+xml"/></manifest>` +
			`<spine><itemref idref="a"/><itemref idref="b"/></spine></package>`,
		"OEBPS/a.xhtml": `<html xmlns="http://www.w3.org/1999/xhtml"><body><p>One</p></body></html>`, "OEBPS/two b.xhtml": `<html><body><p>Two</p></body></html>`, "OEBPS/nav.xhtml": "<p>no</p>",
	}
	d, err := read(EPUB{}, packed(t, book))
	require.NoError(t, err)
	assert.Equal(t, "The Book", d.Title)
	assert.Equal(t, []ingest.Page{{Number: 1, Text: "One"}, {Number: 2, Text: "Two"}}, d.Pages)
	book["OEBPS/book.opf"] = `<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/><item id="s" href="map.svg" media-type="image/svg+xml"/><item id="p" href="p.pdf" media-type="application/pdf"/></manifest>` +
		`<spine><itemref idref="s"/><itemref idref="p"/><itemref idref="a"/></spine></package>`
	book["OEBPS/map.svg"] = `<svg xmlns="http://www.w3.org/2000/svg"><text>Quay</text></svg>`
	d, err = read(EPUB{}, packed(t, book))
	require.NoError(t, err)
	assert.Equal(t, []ingest.Page{{Number: 1, Text: "Quay"}, {Number: 3, Text: "One"}}, d.Pages)
	assert.Equal(t, []ingest.Fault{{Page: 2, Reason: "p.pdf (application/pdf) left out: no reader for it here"}}, d.Faults)
	book["META-INF/encryption.xml"] = `<encryption><EncryptedData><CipherData><CipherReference URI="OEBPS/a.xhtml"/></CipherData></EncryptedData></encryption>`
	_, err = read(EPUB{}, packed(t, book))
	assert.ErrorIs(t, err, ingest.ErrEncrypted)
}

func TestCSV(t *testing.T) {
	for in, want := range map[string]string{
		"Room,Seats\nA1,30\n\nB2,\n":             "Room: A1\tSeats: 30\nRoom: B2",
		"Raum;Preis\n\"A; 1\";\"1,5\"\nB2;2,0\n": "Raum: A; 1\tPreis: 1,5\nRaum: B2\tPreis: 2,0",
		"a\tb\n1\t2":                             "a: 1\tb: 2",
		"1,2\n3,4":                               "1\t2\n3\t4",
		"sep=|\nx|y\n1|2":                        "x: 1\ty: 2",
		"Name,Note\nAnn,\"two\nlines\"\nBob,\"a \"\"b\"\" c\"": "Name: Ann\tNote: two lines\nName: Bob\tNote: a \"b\" c",
		"only":                             "only",
		"# of May\nRoom,Seats\nA1,30":      "# of May\nRoom: A1\tSeats: 30",
		"Room,2023,2024\nA1,30,40":         "Room: A1\t2023: 30\t2024: 40",
		"Name,1999\nAsh,2001\nElm,2002":    "Name\t1999\nAsh\t2001\nElm\t2002",
		"a title\nRoom: the blue one\nend": "a title\nRoom: the blue one\nend",
	} {
		assert.Equal(t, want, text(t, CSV{}, []byte(in)), in)
	}
}

func TestRTF(t *testing.T) {
	for in, want := range map[string]string{
		`{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fnil Arial;}{\f1\fnil\fcharset204 Arial;}{\f2\fnil\fcharset2 Symbol;}}{\info{\title The {\b Title}}}\f0 Caf\'e9 \u8364?\par{\f1 \'cf\'f0\'e8}{\f2 a}\par}`: "Café €\n\nПриα",
		`{\rtf1 {\listtext 1.\tab}Keys\par\trowd\intbl Room\cell\intbl Open\line Mon\cell\row\pard After{\footnote A note.}.\par}`:                                                                       "1.\tKeys\n\nRoom\tOpen Mon\nAfter [A note.].",
		`{\rtf1 {\*\generator x;}a{\v hidden}\~b{\field{\*\fldinst HYPERLINK "x"}{\fldrslt link}}{\pict 0102}\uc2\u945ab c\page d\emdash e \{x\}{\deleted old}}`:                                         "a blinkα c\n\nd—e {x}",
		`{\rtf1 10{\super 6} m{\super 2}\super0 5}`: "10⁶ m25",
		`{\rtf1 101{\sub 2}, H{\sub 2}O}`:           "101_2, H2O",
		`{\rtf1 10{\super \u8722?6}, x{\super 1}{\super 2}, 10{\super 1}{\super 2}, y{\sub 1}{\sub 2}, 3{\sub 1}{\sub 2}}`: "10⁻⁶, x12, 10¹², y12, 3_12",
		`{\rtf1{\ffl\fftype1 a}{\ffl{\field x}b}c}`: "c",
		// fields of a form: chosen, as it was, a list, a list whose result is noted too, a text
		`{\rtf1{\field{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres1\ffdefres0{\*\ffname c}}}}{\fldrslt }} a}`:                       "☒ a",
		`{\rtf1{\field{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffdefres0\ffres25}}}{\fldrslt }} a}`:                                   "☐ a",
		`{\rtf1{\field{\*\fldinst FORMDROPDOWN{\*\formfield{\fftype2\ffdefres1{\*\ffl Red}{\*\ffl Blue}}}}{\fldrslt }}}`:                     "Blue",
		`{\rtf1{\field{\*\fldinst FORMDROPDOWN{\*\formfield{\fftype2\ffres0{\*\ffl Red}}}}{\fldrslt Red}}}`:                                  "Red",
		`{\rtf1{\field{\*\fldinst FORMTEXT{\*\formfield{\fftype0{\*\ffdeftext no}{\*\ffhelptext no}}}}{\fldrslt Ann}} {\footnote b\u173?c}}`: "Ann  [bc]",
		// the same in the code page and in Unicode
		`{\rtf1{\header{\*\ud not shown}}x}`: "x",
		`{\rtf1{\info{\upr{\title ??}{\*\ud{\title \u1055?}}}}{\upr{a ??}{\*\ud{a \u1055?\u1056?}}} b{\upr{\footnote no}{\*\ud{\footnote yes}}}}`: "a ПР b [yes]",
		// fonts and code pages
		`{\rtf1\ansi\deff1{\fonttbl{\f0 A;}{\f1\fcharset204 B;}{\f2\cpg1253 C;}}\'cf{\f0 \'e9}{\f2 \'e1}\f0 \'e9\plain \'cf}`: "ПéαéП",
		`{\rtf1\pc \'81}`:  "ü",
		`{\rtf1\pca \'9b}`: "ø",
		`{\rtf1\mac \'8e}`: "é",
		`{\rtf1{\fonttbl\f0\fcharset2 Symbol;\f1 A;}\f1 x{\f0 \'b3}\u10003 \'3f\u8212\emdash y\emspace z\enspace\qmspace w}`: "x≥✓—y z  w",
		// a table in a cell
		`{\rtf1\trowd\intbl A\cell\pard\intbl\itap2 b\nestcell c\nestcell{\*\nesttableprops\trowd\nestrow}{\nonesttables\par no}d\nestcell\nestrow\pard\intbl\cell Z\cell\row\trowd\intbl\cell\cell\row\pard end}`: "A\tb c d\tZ\nend",
		// boxes, in the words of three generations
		`{\rtf1 One {\shp{\*\shpinst{\sp{\sn shapeType}{\sv 202}}{\sp{\sn wzDescription}{\sv no box}}{\*\shptxt \pard Box\par two\par}}{\shprslt no}}two.\par Three{\*\do\dobxpage{\dptxbxtext\pard Old\par}}.\par}`: "One  no box two.\n\nBox\n\ntwo\n\nThree.\n\nOld",
		`{\rtf1\trowd\intbl a{\shp{\shpinst{\shptxt\pard in\par}}}b\cell c\cell\row}`:                                                                                                                   "a in b\tc",
		`{\rtf1 a{\*\shppict{\pict{\*\picprop{\sp{\sn wzDescription}{\sv A crane}}{\sp{\sn wzName}{\sv no}}}0102}}{\nonshppict{\pict 03}}{\header{\pict{\*\picprop{\sp{\sn wzDescription}{\sv no}}}}}}`: "a A crane",
		// formulas
		`{\rtf1 x {\mmath{\*\moMathPara{\*\moMathParaPr{\mjc center}}{\*\moMath{\mf{\mfPr{\mctrlPr\f1}}{\mnum{\f3 {\mr\mscr0 12}}}{\mden{\mr 5}}}{\mr +}{\msSup{\me{\mr x}}{\msup{\mr 2}}}{\md{\mdPr{\mbegChr [}{\mendChr ]}}{\me{\mr\u960 ?}}}}}{\mmathPict{\pict 01}}} 3}`: "x 12/5+x^2[π] 3",
		`{\rtf1 2{\field{\*\fldinst{EQ \\f(1,2)}}{\fldrslt}}5{\field{\*\fldinst DATE}{\fldrslt May}}}`: "2 1/2 5May",
		"{\\rtf1 a{\\bin99999999999 }}}x}":          "a",
		"{\\rtf1 \\u-10179?\\u-8704? {\\bin3 }}}x}": "😀 x",
	} {
		assert.Equal(t, want, text(t, RTF{}, []byte(in)), in)
	}
	for in, want := range map[string]string{`\title The title`: "The title", `\upr{\title ??}{\*\ud{\title \u1055?}}`: "П"} {
		d, err := read(RTF{}, []byte(`{\rtf1{\info{`+in+`}{\author no}}x}`))
		require.NoError(t, err)
		assert.Equal(t, want, d.Title)
		assert.Equal(t, "x", d.Text())
	}
}

func TestBadFiles(t *testing.T) {
	zeros := strings.Repeat(" ", zipxml.MaxPart+1)
	for name, c := range map[string]struct {
		reader ingest.Reader
		data   []byte
		want   error
	}{
		"no zip":           {PPTX{}, []byte("hello"), ingest.ErrMalformed},
		"another zip":      {PPTX{}, packed(t, map[string]string{"x": "y"}), ingest.ErrMalformed},
		"old":              {PPTX{}, []byte("\xD0\xCF\x11\xE0\xA1\xB1"), ingest.ErrEncrypted},
		"only pictures":    {PPTX{}, packed(t, map[string]string{"ppt/presentation.xml": `<p xmlns:r="r"><sldIdLst><sldId r:id="r"/></sldIdLst></p>`, "ppt/_rels/presentation.xml.rels": `<R><Relationship Id="r" Type="x/slide" Target="s.xml"/></R>`, "ppt/s.xml": `<s><cSld><spTree><pic/></spTree></cSld></s>`}), ingest.ErrNoText},
		"linked pictures":  {PPTX{}, packed(t, map[string]string{"ppt/presentation.xml": `<p xmlns:r="r"><sldIdLst><sldId r:id="r"/></sldIdLst></p>`, "ppt/_rels/presentation.xml.rels": `<R><Relationship Id="r" Type="x/slide" Target="s.xml"/></R>`, "ppt/s.xml": `<s><cSld><spTree><pic><blipFill><blip link="l"/></blipFill></pic></spTree></cSld></s>`, "ppt/_rels/s.xml.rels": `<R><Relationship Id="a" Type="x/slideLayout" Target="layout.xml"/></R>`}), ingest.ErrNoText},
		"bomb":             {ODF{}, packed(t, map[string]string{"content.xml": "<x>" + zeros + "</x>"}), ingest.ErrTooLarge},
		"nested":           {ODF{}, packed(t, map[string]string{"content.xml": strings.Repeat("<x>", 300)}), ingest.ErrMalformed},
		"encrypted ODF":    {ODF{}, packed(t, map[string]string{"content.xml": "\x00", "META-INF/manifest.xml": "<m><file-entry><encryption-data/></file-entry></m>"}), ingest.ErrEncrypted},
		"no book":          {EPUB{}, packed(t, map[string]string{"mimetype": "application/epub+zip"}), ingest.ErrMalformed},
		"no RTF":           {RTF{}, []byte("hello"), ingest.ErrMalformed},
		"nested RTF":       {RTF{}, []byte(`{\rtf1` + strings.Repeat("{", 5000)), ingest.ErrMalformed},
		"repeated rows":    {ODF{}, odfFile(t, "spreadsheet", "<table>"+strings.Repeat(`<table-row number-rows-repeated="1000"><table-cell number-columns-repeated="1000"><p>`+strings.Repeat("x", 99)+`</p></table-cell></table-row>`, 9)+"</table>", ""), ingest.ErrTooLarge},
		"a picture in RTF": {RTF{}, []byte(`{\rtf1{\pict 00}}`), ingest.ErrNoText},
		"a picture book":   {EPUB{}, packed(t, map[string]string{"META-INF/container.xml": `<c><rootfiles><rootfile full-path="b.opf"/></rootfiles></c>`, "b.opf": `<p><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></p>`, "a.xhtml": "<img src='a.png'>"}), ingest.ErrNoText},
		"pictures in text": {ODF{}, packed(t, map[string]string{"content.xml": "<c><body><text/></body></c>", "Pictures/1.png": "x"}), ingest.ErrNoText},
	} {
		_, err := read(c.reader, c.data)
		assert.ErrorIs(t, err, c.want, name)
	}
}

func FuzzRTF(f *testing.F) {
	f.Add([]byte(`{\rtf1\ansi{\fonttbl{\f0 A;}}\u8364?\'e9{\footnote a}\cell\row\bin5 }`))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = read(RTF{}, append([]byte(`{\rtf1`), data...)) })
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a;b\n\"c\nd\";e"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = read(CSV{}, data) })
}

func FuzzODF(f *testing.F) {
	f.Add(`<text:p>a<text:note><text:note-body><text:p/></text:note-body></text:note></text:p><text:list><text:list-item/></text:list>`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, kind := range []string{"text", "spreadsheet", "presentation"} {
			_, _ = read(ODF{}, odfFile(t, kind, s, s))
		}
	})
}

func FuzzSlides(f *testing.F) {
	f.Add(shape("title", "x"))
	f.Fuzz(func(t *testing.T, s string) { _, _ = read(PPTX{}, packed(t, presentation(s))) })
}
