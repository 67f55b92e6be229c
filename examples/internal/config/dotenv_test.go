package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDotenvValues(t *testing.T) {
	for line, want := range map[string]string{
		`A=b`:                     "b",
		`  export   A = b  `:      "b",
		"export\tA=b":             "b",
		`A=`:                      "",
		`A= # nothing`:            "",
		`A=b c # comment`:         "b c",
		`A=b#c`:                   "b#c",
		`A=#b`:                    "#b",
		`A='b # c' # d`:           "b # c",
		`A="b # c"# d`:            "b # c",
		`A='$HOME ${HOME} \n'`:    `$HOME ${HOME} \n`,
		`A="a\n\t\"\\\$\r"`:       "a\n\t\"\\$\r",
		`A=""`:                    "",
		`A=b"c'd`:                 `b"c'd`,
		`A=pa$$word`:              `pa$$word`,
		`A=x=y=z`:                 "x=y=z",
		`A=größer`:                "größer",
		`A=https://h/x?y=1#frag#`: "https://h/x?y=1#frag#",
	} {
		vars, bad := parseDotenv([]byte(line))
		require.Empty(t, bad, line)
		require.Len(t, vars, 1, line)
		assert.Equal(t, variable{"A", want, 1}, vars[0], line)
	}
}

func TestDotenvFile(t *testing.T) {
	vars, bad := parseDotenv([]byte("\ufeff# comment\r\n\r\nA=1\r\n  # indented\nexport B='2'\nA=3\nC\n1D=x\nE=\"x\nF='x' y\nG=${A}\nH=\"${A}\"\nI=\"\\q\"\nJ=\"x\\\nK=a\rb\nL=\xff\n=x\nM N=1\nexport=1\nexport O"))
	assert.Equal(t, []variable{{"A", "1", 3}, {"B", "2", 5}, {"export", "1", 19}}, vars)
	var got []string
	var lines []int
	for _, e := range bad {
		lines = append(lines, e.line)
		got = append(got, e.err.Error())
	}
	assert.Equal(t, []int{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20}, lines)
	const form, text = "must be NAME=value, a comment or blank", "is not UTF-8 text of one line (NUL, stray carriage return or bad bytes)"
	const expansion = "${NAME} is not expanded: write the value out, or put it in single quotes to mean it as it stands"
	assert.Equal(t, []string{
		"A is set twice, first on line 3", form, form, "E: the closing quote is missing", "F: text after the closing quote",
		"G: " + expansion, "H: " + expansion, `I: only \n \r \t \\ \" \$ may follow a backslash in double quotes`,
		"J: the closing quote is missing", text, text, form, form, form,
	}, got)
}

// FuzzDotenv: whatever the text, names are proper and single, lines are in range, and the
// values survive being written out in double quotes.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{"", "A=1\n", "export A='x y' # c\r\nB=\"\\n\\\"\"", "\ufeffA=$B\nC=${D}", "A==\n=A\n'=\n\"", "A=\\\nB=\"\\", "# only\n\n\n", "A=\x00\xff\r\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, bad := parseDotenv(data)
		lines := bytes.Count(data, []byte("\n")) + 1
		seen := map[string]bool{}
		var again strings.Builder
		for _, v := range vars {
			require.True(t, isEnvName(v.name))
			require.False(t, seen[v.name])
			require.True(t, v.line >= 1 && v.line <= lines)
			seen[v.name] = true
			again.WriteString("export " + v.name + ` = "`)
			again.WriteString(strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(v.value))
			again.WriteString("\" # as it was\r\n")
		}
		for _, e := range bad {
			require.True(t, e.line >= 1 && e.line <= lines)
		}
		vars2, bad2 := parseDotenv([]byte(again.String()))
		require.Empty(t, bad2)
		require.Len(t, vars2, len(vars))
		for i := range vars {
			require.Equal(t, vars[i].name, vars2[i].name)
			require.Equal(t, vars[i].value, vars2[i].value)
		}
	})
}
