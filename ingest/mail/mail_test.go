package mail

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/ingest"
)

func read(r ingest.Reader, s string) (*ingest.Document, error) {
	data := []byte(strings.ReplaceAll(s, "\n", "\r\n"))
	return r.Read(context.Background(), bytes.NewReader(data), int64(len(data)))
}

const letter = `From: Ann <ann@example.org>
To: =?ISO-8859-1?Q?J=F6rg?= <j@example.org>
Subject: =?UTF-8?B?U2Now7xsZXI=?=
Date: Mon, 2 Jun 2025 10:00:00 +0200
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=M

--M
Content-Type: multipart/alternative; boundary=A

--A
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

plain caf=E9
--A
Content-Type: text/html; charset=utf-8

<p>Shown <b>café</b></p><table><tr><td>Room</td><td>30</td></tr></table>
--A--
--M
Content-Type: message/rfc822

Subject: Inner
Content-Type: text/plain

Forwarded.
--M
Content-Type: application/pdf; name=a.pdf
Content-Disposition: attachment; filename="a.pdf"
Content-Transfer-Encoding: base64

AAAA
--M--
`

func TestMail(t *testing.T) {
	d, err := read(EML{}, letter)
	require.NoError(t, err)
	assert.Equal(t, "Schüler", d.Title)
	assert.Equal(t, "Subject: Schüler\nFrom: Ann <ann@example.org>\nTo: Jörg <j@example.org>\nDate: Mon, 2 Jun 2025 10:00:00 +0200\n\nShown café\n\nRoom\t30\n\nSubject: Inner\n\nForwarded.", d.Text())
	require.Len(t, d.Faults, 1)
	assert.Equal(t, `attachment "a.pdf" (application/pdf) not read`, d.Faults[0].Reason)
	d, err = read(EML{}, "Subject: Plain\n\nJust text.")
	require.NoError(t, err)
	assert.Equal(t, "Subject: Plain\n\nJust text.", d.Text())
	d, err = read(EML{}, "Subject: Odd\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain; charset=x-none\n\n\xc1\xe4\xe5\n--B\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\nSubject: Inner\n\nBy hand.\n--B\nContent-Type: image/png; name=scan.png\n\nx\n--B--\n")
	require.NoError(t, err)
	assert.Contains(t, d.Text(), "Subject: Inner\n\nBy hand.")
	require.Len(t, d.Faults, 2)
	assert.Contains(t, d.Faults[0].Reason, "the encoding is not declared")
	assert.Contains(t, d.Faults[1].Reason, `"scan.png" (image/png)`)
}

// What a mail says of its encoding may be wrong; the bytes tell.
func TestMailCharsets(t *testing.T) {
	const koi = "\xf3\xcf\xc2\xd2\xc1\xce\xc9\xc5 \xce\xc1\xde\xc9\xce\xc1\xc5\xd4\xd3\xd1"
	for body, want := range map[string]string{
		"text/plain; charset=iso-8859-1\n\nGrüße":                                       "Grüße",
		"text/plain; charset=utf-8\n\nGr\xfc\xdfe aus K\xf6ln":                          "Grüße aus Köln",
		"text/plain; charset=us-ascii\n\nGrüße":                                         "Grüße",
		"text/plain; charset=koi8-r\n\n" + koi:                                          "Собрание начинается",
		"text/html; charset=koi8-r\n\n<meta charset=windows-1251><p>" + koi:             "Собрание начинается",
		"text/html; charset=windows-1252\n\n<p>Gr\xfc\xdfe":                             "Grüße",
		"text/plain; charset=\"gb2312\"\nContent-Transfer-Encoding: base64\n\nu+HS6Q==": "会议",
		"text/plain; charset=utf-7x\nContent-Transfer-Encoding: uuencode\n\nGrüße":      "Grüße",
	} {
		d, err := read(EML{}, "Subject: s\nContent-Type: "+body)
		require.NoError(t, err)
		assert.Equal(t, "Subject: s\n\n"+want, d.Text(), body)
		d, err = read(EML{}, "Subject: s\nContent-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: "+body+"\n--B--\n")
		require.NoError(t, err)
		assert.Equal(t, "Subject: s\n\n"+want, d.Text(), body)
	}
}

// Lines of format=flowed are put together again; a quote, the line above a signature and a paragraph's end stay.
func TestFlowedMail(t *testing.T) {
	for in, want := range map[string]string{
		"text/plain; format=flowed\n\nThe club \nmeets \non Tuesday.\n\n From here \n>> One \n>> two\n> three \n>\nfour\n-- \nAnn \nB": "The club meets on Tuesday.\n\nFrom here \n>> One two\n> three \nfour\n-- \nAnn B",
		"text/plain; Format=Flowed; DelSp=yes\n\nThe club  \nmeets on Tues \nday. \n":                                                  "The club meets on Tuesday.",
		"text/plain\n\nThe club \nmeets.": "The club \nmeets.",
	} {
		d, err := read(EML{}, "Subject: s\nContent-Type: "+in)
		require.NoError(t, err)
		assert.Equal(t, "Subject: s\n\n"+want, d.Text())
	}
}

func TestMailArchives(t *testing.T) {
	d, err := read(MHT{}, `From: <Saved by a browser>
Subject: Opening hours
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary=B

--B
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<html><head><title>Hours</title></head><body><p>Open till n=
ine.</p></body></html>
--B
Content-Type: text/css

p { color: red }
--B
Content-Type: image/png
Content-Transfer-Encoding: base64

AAAA
--B--
`)
	require.NoError(t, err)
	assert.Empty(t, d.Faults)
	assert.Equal(t, "Hours", d.Title)
	assert.Equal(t, "Open till nine.", d.Text())
}

func TestBadMail(t *testing.T) {
	_, err := read(EML{}, "")
	assert.ErrorIs(t, err, ingest.ErrMalformed)
	var b strings.Builder
	b.WriteString("Content-Type: multipart/mixed; boundary=B\n\n")
	for range maxParts + 1 {
		b.WriteString("--B\n\nx\n")
	}
	_, err = read(EML{}, b.String())
	assert.ErrorIs(t, err, ingest.ErrTooLarge)
	_, err = read(EML{}, strings.Repeat("Content-Type: message/rfc822\n\n", 50))
	assert.ErrorIs(t, err, ingest.ErrTooLarge)
}

func FuzzMail(f *testing.F) {
	f.Add(letter)
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = read(EML{}, s)
		_, _ = read(MHT{}, s)
	})
}
