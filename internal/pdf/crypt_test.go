package pdf

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The files were written with pypdf: RC4 of 40 and 128 bits, AES of 128 and
// 256 bits, with an empty user password or "secret", and the owner's "owner".
func TestEncryptedFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/encrypted-*.pdf")
	require.NoError(t, err)
	require.Len(t, files, 10)
	open := func(name, password string) (*File, error) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		return Open(data, password, Limits{})
	}
	for _, name := range files {
		passwords := []string{"owner", ""}
		if strings.Contains(name, "secret") {
			passwords = []string{"owner", "secret"}
			for _, wrong := range []string{"", "wrong"} {
				_, err := open(name, wrong)
				assert.ErrorIs(t, err, ErrEncrypted, name)
			}
		}
		for _, pw := range passwords {
			f, err := open(name, pw)
			require.NoError(t, err, "%s with %q", name, pw)
			text, err := f.Text(context.Background(), 0)
			require.NoError(t, err, name)
			assert.Equal(t, "The quick brown fox", text, name)
			assert.Equal(t, "Sealed title", f.Title(), name)
		}
	}
}

func TestUnknownEncryption(t *testing.T) {
	for _, enc := range []string{
		"/Filter/Adobe.PubSec/V 4",
		"/Filter/Standard/V 9/R 9",
		"/Filter/Standard/V 5/R 6/O(short)/U(short)",
		"/Filter/Standard/V 4/R 4/CF<</X<</CFM/Odd>>>>/StmF/X/StrF/X",
	} {
		data := strings.Replace(string(onePage("", "")), "trailer\n<<", "trailer\n<</Encrypt<<"+enc+">>", 1)
		_, err := Open([]byte(data), "", Limits{})
		require.Error(t, err, enc)
		assert.True(t, strings.Contains(err.Error(), "encrypt"), "%v", err)
	}
}

// Programs that know no encryption append to an encrypted file as to any other: what they add is in the clear. Some copy
// the trailer's entries.
func TestUpdateWithoutTheKey(t *testing.T) {
	files, err := filepath.Glob("testdata/encrypted-*.pdf")
	require.NoError(t, err)
	contents, encrypt := regexp.MustCompile(`/Contents (\d+) 0 R`), regexp.MustCompile(`/(Root|Encrypt) \d+ 0 R|/ID \[[^]]*\]`)
	shown := "BT /F1 12 Tf 20 50 Td (Appended later) Tj ET"
	for _, name := range files {
		password := ""
		if strings.Contains(name, "secret") {
			password = "secret"
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		number := string(contents.FindSubmatch(data)[1])
		trailer := string(bytes.Join(encrypt.FindAll(data, -1), []byte(" ")))
		root := regexp.MustCompile(`/Root \d+ 0 R`).FindString(trailer)
		for what, stream := range map[string]string{
			"as it is": streamObject("", shown), "deflated": streamObject("/Filter/FlateDecode", deflated(shown)),
			"none": "",
		} {
			for _, entries := range []string{root, trailer} {
				update := number + " 0 obj\n" + stream + "\nendobj\n"
				want := "Appended later"
				if stream == "" {
					update, want = "", "The quick brown fox"
				}
				update += "99 0 obj\n<</Title(A title in the clear)>>\nendobj\ntrailer\n<<" + entries + "/Info 99 0 R>>\n%%EOF\n"
				f, err := Open(append(bytes.Clone(data), update...), password, Limits{})
				require.NoError(t, err, "%s %s", name, what)
				text, err := f.Text(context.Background(), 0)
				require.NoError(t, err, "%s %s", name, what)
				assert.Equal(t, want, text, "%s %s %s", name, what, entries)
				assert.Equal(t, "A title in the clear", f.Title(), name)
			}
		}
	}
}
