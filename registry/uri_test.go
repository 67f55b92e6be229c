package registry

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseURI(t *testing.T) {
	for s, want := range map[string]URI{
		"models:/handbook/3":                       {Name: "handbook", Version: 3},
		"models:/handbook/Production":              {Name: "handbook", Stage: Production},
		"models:/handbook/None":                    {Name: "handbook", Stage: None},
		"models:/handbook/latest":                  {Name: "handbook"},
		"models:/handbook@champion":                {Name: "handbook", Alias: "champion"},
		"models:/handbook@Production":              {Name: "handbook", Alias: "Production"},
		"models:/Größe 2/17":                       {Name: "Größe 2", Version: 17},
		"models:/m-0123abcd":                       {ModelID: "m-0123abcd"},
		"models:/m-x/latest":                       {Name: "m-x"},
		"models:/handbook/3/tokenizer/x.json":      {Name: "handbook", Version: 3, Path: "tokenizer/x.json"},
		"models:/handbook/Staging/peft":            {Name: "handbook", Stage: Staging, Path: "peft"},
		"models:/handbook@champion/model":          {Name: "handbook", Alias: "champion", Path: "model"},
		"models:/handbook/latest/latest":           {Name: "handbook", Path: "latest"},
		"runs:/20260131-120000-000-0a1b2c3d/model": {RunID: "20260131-120000-000-0a1b2c3d", Path: "model"},
		"runs:/0123456789abcdef0123456789abcdef":   {RunID: "0123456789abcdef0123456789abcdef"},
		"runs:/abc/a@b/latest":                     {RunID: "abc", Path: "a@b/latest"},
	} {
		u, err := ParseURI(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, u, s)
		assert.Equal(t, s, u.String())
	}
	for s, want := range map[string]string{"models:/a/LATEST": "models:/a/latest", "models:/a/production": "models:/a/Production", "models:/a/007": "models:/a/7"} {
		u, err := ParseURI(s)
		require.NoError(t, err)
		assert.Equal(t, want, u.String())
	}
}

func TestParseURIFaults(t *testing.T) {
	for s, mention := range map[string]string{
		"":                                      "models:/",
		"handbook":                              "models:/name/Production",
		"handbook/3":                            "models:/name/3",
		"models:/handbook":                      "without version, stage or alias",
		"models:/":                              "without version",
		"models:/handbook/":                     "stage",
		"models:/handbook/prod":                 "@alias",
		"models:/handbook/0":                    "count from 1",
		"models:/handbook/-1":                   "-1",
		"models:/handbook/99999999999999999999": "version",
		"models:/handbook/3/":                   "last slash",
		"models:/handbook@a/":                   "last slash",
		"models:/handbook@":                     "alias",
		"models:/handbook@a@b":                  "alias",
		"models:/@a":                            "empty",
		"models://handbook/3":                   "",
		"models://server/handbook/3":            "",
		"models:/../3":                          "",
		"models:/a:b/3":                         "':'",
		"models:/a\u202eb/3":                    "U+202E",
		"models:/handbook/3/../../x":            "path",
		"models:/handbook/3//x":                 "path",
		"models:/m-1/":                          "stage",
		"models:/m-ä":                           "logged model",
		"runs:/":                                "run",
		"runs://abc/model":                      "run",
		"runs:/abc/":                            "last slash",
		"runs:/a b/model":                       "run",
		"runs:/../model":                        "run",
		"runs:/abc/../../etc/passwd":            "path",
		"Models:/handbook/3":                    "not a models:/",
		"mlflow-artifacts:/1/2":                 "not a models:/",
		"s3://bucket/key":                       "not a models:/",
		" models:/handbook/3":                   "not a models:/",
		"models:/hand\nbook/3":                  "U+000A",
	} {
		_, err := ParseURI(s)
		require.ErrorIs(t, err, ErrInvalid, "%q", s)
		var typed *Error
		require.ErrorAs(t, err, &typed)
		assert.Equal(t, s, typed.Name)
		assert.ErrorContains(t, err, mention)
	}
}

func TestURIValidate(t *testing.T) {
	for _, u := range []URI{{}, {Name: "a", RunID: "b"}, {Name: "a", ModelID: "m-b"}, {Name: "a", Version: 1, Stage: Production}, {Name: "a", Version: -1},
		{Name: "a", Stage: "production"}, {Name: "a", Stage: "x"}, {ModelID: "b"}, {ModelID: "m-b", Path: "c"}, {RunID: "a", Version: 1}, {RunID: "a", Alias: "b"},
		{Name: "a", Alias: "b c"}, {Name: "a", Path: "../b"}, {RunID: "a", Path: "/b"}, {Version: 3}} {
		assert.ErrorIs(t, u.Validate(), ErrInvalid, "%+v", u)
	}
}

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"models:/handbook/3", "models:/handbook/Production", "models:/h/latest/x", "models:/h@a/b", "models:/m-1", "runs:/a/b", "runs:/a",
		"models:/é/1", "models:/a/٣", "models:/a//", "runs:/../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			require.Equal(t, URI{}, u)
			return
		}
		require.NoError(t, u.Validate())
		again, err := ParseURI(u.String())
		require.NoError(t, err)
		require.Equal(t, u, again)
		require.Equal(t, u.String(), again.String())
	})
}

func ExampleParseURI() {
	for _, s := range []string{"models:/handbook/production", "models:/handbook@champion", "models:/handbook"} {
		u, err := ParseURI(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s: model %q, stage %q, alias %q\n", u, u.Name, u.Stage, u.Alias)
	}
	// Output:
	// models:/handbook/Production: model "handbook", stage "Production", alias ""
	// models:/handbook@champion: model "handbook", stage "", alias "champion"
	// parse URI "models:/handbook": not allowed: a model without version, stage or alias; write models:/name/Production, models:/name/3, models:/name/latest, models:/name@alias or runs:/id/path
}
