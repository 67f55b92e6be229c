package jinja

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// now is the clock that the golden values were made with.
var now = time.Date(2026, 3, 7, 9, 5, 3, 0, time.UTC)

// TestGoldenSnippets compares with what transformers' environment of Jinja2 renders.
func TestGoldenSnippets(t *testing.T) {
	data, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	var cases []json.RawMessage
	require.NoError(t, json.Unmarshal(data, &cases))
	require.Greater(t, len(cases), 60)
	vars := map[string]any{}
	raw := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal(cases[0], &raw))
	for name, value := range raw {
		vars[name] = value
	}
	for _, data := range cases[1:] {
		var c struct {
			Source, Text, Error string
			Generated           []string
		}
		require.NoError(t, json.Unmarshal(data, &c))
		tmpl, err := Compile(c.Source)
		if err != nil {
			assert.NotEmpty(t, c.Error, "%s\nfails here only: %v", c.Source, err)
			assert.IsType(t, &Error{}, err)
			continue
		}
		out, err := tmpl.Render(vars, Options{Now: now})
		if err != nil {
			assert.NotEmpty(t, c.Error, "%s\nfails here only: %v", c.Source, err)
			assert.IsType(t, &Error{}, err)
			continue
		}
		if assert.Empty(t, c.Error, "%s\nfails in Jinja2, but here gives %q", c.Source, out.Text) {
			assert.Equal(t, c.Text, out.Text, c.Source)
		}
		for i, span := range out.Generated {
			if assert.Less(t, i, len(c.Generated), c.Source) {
				assert.Equal(t, c.Generated[i], out.Text[span[0]:span[1]], c.Source)
			}
		}
	}
}

// TestLimits shows that no template can hang the program, exhaust its memory or overflow its stack.
func TestLimits(t *testing.T) {
	double := func(start, grow string) string {
		return "{% set x = " + start + " %}" + strings.Repeat("{% set x = "+grow+" %}", 60)
	}
	for name, source := range map[string]string{
		"nested loops":           strings.Repeat("{% for i in range(1000) %}", 5) + strings.Repeat("{% endfor %}", 5),
		"huge range":             "{% for i in range(10**15) %}{% endfor %}",
		"endless macro":          "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"repeated text":          "{{ 'a' * 10**12 }}",
		"repeated list":          "{{ [1] * 10**12 }}",
		"doubled text":           double("'ab'", "x ~ x") + "{{ x }}",
		"doubled list":           double("[1]", "x + x"),
		"shared list, compared":  double("[1]", "[x, x]") + "{{ x == x }}",
		"shared list, printed":   double("[1]", "[x, x]") + "{{ x }}",
		"shared list, as JSON":   double("[1]", "[x, x]") + "{{ x | tojson }}",
		"deep list, printed":     "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		"deep list, compared":    "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == ns.x }}",
		"growing replacement":    "{% set x = 'a' * 100000 %}{{ x.replace('a', x) }}",
		"growing join":           "{% set x = 'a' * 1000000 %}{{ ([x] * 1000) | join(x) }}",
		"indent":                 "{{ ('a\n' * 100000) | indent(100000) }}",
		"pretty JSON":            "{{ [[[]]] | tojson(indent=100000000) }}",
		"long output":            "{% for i in range(1000000) %}" + strings.Repeat("x", 1000) + "{% endfor %}",
		"chained methods":        "{{ 'x'" + strings.Repeat(".strip()", 5000) + " }}",
		"brackets":               "{{ " + strings.Repeat("(", 100000) + strings.Repeat(")", 100000) + " }}",
		"unclosed brackets":      "{{ " + strings.Repeat("[", 100000),
		"blocks":                 strings.Repeat("{% if 1 %}", 100000),
		"long sum":               "{{ 1" + strings.Repeat("+1", 100000) + " }}",
		"conditionals in a row":  "{{ 1" + strings.Repeat(" if 1 else 1", 50000) + " }}",
		"operator in in in":      "{{ 1" + strings.Repeat(" in 1", 50000) + " }}",
		"too long a source":      strings.Repeat("x", maxSource+1),
		"invalid UTF-8":          "\xff",
		"integer overflow":       "{{ 9223372036854775807 + 1 }}",
		"integer overflow, mult": "{{ 9223372036854775807 * 9223372036854775807 }}",
		"huge integer":           "{{ 99999999999999999999999 }}",
		"break outside":          "{% break %}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tmpl, err := Compile(source)
			if err == nil {
				_, err = tmpl.Render(nil, Options{})
			}
			var own *Error
			require.ErrorAs(t, err, &own)
			assert.Less(t, len(err.Error()), 500)
			assert.Less(t, time.Since(start), 20*time.Second)
		})
	}
}

func TestErrorsTellTheLine(t *testing.T) {
	_, err := Compile("a\n{{ b }}\n{% if %}")
	require.ErrorContains(t, err, "line 3")
	_, err = Compile("a\n{{ b }}\n{{ x | shout }}")
	require.EqualError(t, err, `line 3: filter "shout" is not implemented`)
	_, err = Compile("{% include 'x' %}")
	require.ErrorContains(t, err, "include")

	tmpl, err := Compile("a\n\n{{ 1 + 'x' }}")
	require.NoError(t, err)
	_, err = tmpl.Render(nil, Options{})
	require.EqualError(t, err, "line 3: cannot add int and str")

	tmpl, err = Compile("\n{{ raise_exception('roles must alternate') }}")
	require.NoError(t, err)
	_, err = tmpl.Render(nil, Options{})
	require.EqualError(t, err, "roles must alternate")
	var own *Error
	require.ErrorAs(t, err, &own)
	assert.True(t, own.Raised)
}

func TestConcurrentRender(t *testing.T) {
	tmpl, err := Compile("{% set ns = namespace(n=0) %}{% for i in range(100) %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}")
	require.NoError(t, err)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			out, err := tmpl.Render(map[string]any{"x": i}, Options{})
			assert.NoError(t, err)
			assert.Equal(t, strconv.Itoa(100*i), out.Text)
		})
	}
	group.Wait()
}

func FuzzTemplate(f *testing.F) {
	data, err := os.ReadFile("testdata/snippets.txt")
	require.NoError(f, err)
	for source := range strings.SplitSeq(string(data), "\n----\n") {
		f.Add(source)
	}
	messages := json.RawMessage(`[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": null}]`)
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Compile(source)
		if err != nil {
			require.IsType(t, &Error{}, err)
			return
		}
		out, err := tmpl.Render(map[string]any{"messages": messages, "bos_token": "<s>"}, Options{Now: now})
		if err != nil {
			require.IsType(t, &Error{}, err)
			require.NotContains(t, err.Error(), "internal fault")
			return
		}
		for _, span := range out.Generated {
			require.LessOrEqual(t, span[0], span[1])
			require.LessOrEqual(t, span[1], len(out.Text))
		}
	})
}
