package grammar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func repeat(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = strings.ReplaceAll(format, "#", fmt.Sprint(i))
	}
	return strings.Join(parts, ",")
}

// TestHostile compiles what is made to take long, and what is just large. Each ends soon, with a grammar or an error.
func TestHostile(t *testing.T) {
	v := vocabulary(t, 1500)
	for _, c := range []struct {
		name, schema string
		refused      bool
	}{
		{"patterns", `{"anyOf":[` + repeat(200, `{"pattern":"(a|b)*a(a|b){9}#$"}`) + `]}`, true},
		{"intersections", `{"oneOf":[` + repeat(200, `{"type":"string","pattern":"^x{1,500}#$"}`) + `]}`, true},
		{"products", `{"allOf":[{"anyOf":[false]},` + repeat(60, `{"anyOf":[{"minLength":#},{"title":"#"}]}`) + `]}`, true},
		{"chain", `{"$defs":{"a60":{"type":"null"},` + doubled(60) + `},"$ref":"#/$defs/a0"}`, false},
		{"optional", `{"type":"object","properties":{` + repeat(2000, `"p#":{"type":"integer"}`) + `},"additionalProperties":true}`, false},
		{"enum", `{"enum":[` + repeat(2000, `"value #"`) + `]}`, false},
		{"lengths", `{"properties":{` + repeat(50, `"p#":{"type":"string","maxLength":65000}`) + `}}`, true},
		{"numbers", `{"properties":{` + repeat(300, `"p#":{"minimum":-0.00#1,"maximum":1e#}`) + `}}`, true},
		{"repeats", `{"pattern":"((x{1000}){1000}){1000}"}`, true},
	} {
		start := time.Now()
		g, err := strictly([]byte(c.schema))
		assert.Less(t, time.Since(start), time.Minute, c.name)
		if c.refused {
			assert.ErrorIs(t, err, ErrSchema, c.name)
		} else if assert.NoError(t, err, c.name) {
			g.Start(v).Mask(make([]uint64, v.Words()))
			assert.Less(t, time.Since(start), time.Minute, c.name)
		}
		t.Log(c.name, time.Since(start), err)
	}
}

// doubled is a chain of definitions that each use the next one twice.
func doubled(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i, i+1, i+1)
	}
	return strings.Join(parts, ",")
}
