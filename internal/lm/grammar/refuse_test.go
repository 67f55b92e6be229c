package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRefused(t *testing.T) {
	for _, c := range []struct{ schema, path, reason string }{
		{`{"properties":{"x":{"contains":{}}}}`, "#/properties/x/contains", `"contains" is not supported`},
		{`{"type":"array","items":{"uniqueItems":true}}`, "#/items/uniqueItems", "uniqueItems"},
		{`{"uniqueItems":true,"items":{"enum":[1,2,3,4,5,6,7,8,9]}}`, "#/uniqueItems", "at most 8"},
		{`{"multipleOf":1001}`, "#/multipleOf", "multiples of 1001"},
		{`{"multipleOf":0}`, "#/multipleOf", "above 0"},
		{`{"not":{"properties":{}}}`, "#/not", "can be excluded"},
		{`{"not":{"type":"integer"}}`, "#/not", "can be excluded"},
		{`{"not":{}}`, "#", "no document"},
		{`{"if":{},"then":{}}`, "#/if", "if"},
		{`{"patternProperties":[]}`, "#/patternProperties", "object of schemas"},
		{`{"patternProperties":{"[":{}}}`, "#/patternProperties/[", "missing closing"},
		{`{"markdownDescription":""}`, "#/markdownDescription", "markdownDescription"},
		{`{"minProperties":2}`, "#/minProperties", "one may be demanded"},
		{`{"maxProperties":257}`, "#/maxProperties", "more than 256"},
		{`{"maxProperties":-1}`, "#/maxProperties", "whole number"},
		{`{"dependentRequired":{}}`, "#/dependentRequired", "dependentRequired"},
		{`{"unevaluatedProperties":false}`, "#/unevaluatedProperties", "unevaluatedProperties"},
		{`{"$dynamicRef":"#a"}`, "#/$dynamicRef", "dynamicRef"},
		{`{"nullable":true}`, "#/nullable", "nullable"},
		{`{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"contains":{}}}}`, "#/$defs/a/contains", "contains"},
		{`{"$ref":"https://example.org/x"}`, "#/$ref", "into the schema itself"},
		{`{"$ref":"#/$defs/none"}`, "#/$ref", "nothing is at"},
		{`{"$ref":"#"}`, "#", "refers to itself"},
		{`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`, "#", "refers to itself"},
		{`{"oneOf":[{"type":"string"},{"type":"string","maxLength":3}]}`, "#/oneOf", "schemas 0 and 1"},
		{`{"oneOf":[{"type":"integer"},{"type":"number"}]}`, "#/oneOf", "schemas 0 and 1"},
		{`{"oneOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, "#/oneOf", "schemas 0 and 1"},
		{`{"type":"strin"}`, "#/type", "must be one of"},
		{`{"type":"string","format":"color"}`, "#/format", `"color" is not supported`},
		{`{"pattern":"a(?=a)"}`, "#/pattern", "(?…)"},
		{`{"pattern":"^(?=a"}`, "#/pattern", "(?…)"},
		{`{"pattern":"a\\b"}`, "#/pattern", `\b`},
		{`{"pattern":"(a)\\1"}`, "#/pattern", `\1`},
		{`{"pattern":"["}`, "#/pattern", "missing closing"},
		{`{"pattern":"a^b"}`, "#/pattern", "no string matches"},
		{`{"pattern":"(a|b)*a(a|b){14}$"}`, "#/pattern", "too large"},
		{`{"type":"string","minLength":1.5}`, "#/minLength", "whole number"},
		{`{"type":"string","maxLength":1000000}`, "#/maxLength", "more than"},
		{`{"minimum":"1"}`, "#/minimum", "must be a number"},
		{`{"minimum":1e999}`, "#/minimum", "must be a number"},
		{`{"properties":{"a":1}}`, "#/properties/a", "not a number"},
		{`{"required":[1]}`, "#/required", "list of names"},
		{`{"type":"integer","minimum":3,"maximum":2}`, "#", "no document"},
		{`{"enum":[]}`, "#/enum", "at least one"},
		{`{"properties":{"a":{"enum":[]}}}`, "#/properties/a/enum", "at least one"},
		{`false`, "#", "no document"},
		{`{"properties":{"a":{"$ref":"#"}},"required":["a"]}`, "#", "no document"},
		{`{"type":"object","required":["a"],"additionalProperties":false}`, "#", "no document"},
		{`{"const":{"a":1},"properties":{"a":{}}}`, "#/properties", "beside an enum or const"},
		{`{`, "#", "unexpected"},
		{`{} {}`, "#", "more than one"},
		{`{"type":"null","type":"null"}`, "#", "twice"},
		{`[]`, "#", "an object or a boolean"},
		{strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200), "#", "nested deeper"},
		{strings.Repeat(`{"type":"array","minItems":1,"items":`, 80) + `{}` + strings.Repeat(`}`, 80), "#", "nested deeper"},
		{`{"allOf":[` + strings.TrimSuffix(strings.Repeat(`{"anyOf":[{"minLength":1},{"minLength":2}]},`, 30), ",") + `]}`, "#", "too many combinations"},
		{`{"type":"array","minItems":60000,"items":{"type":"array","minItems":60000}}`, "#", "too many states"},
	} {
		_, err := strictly([]byte(c.schema))
		var e *SchemaError
		if assert.ErrorAs(t, err, &e, "%.80s", c.schema) {
			assert.ErrorIs(t, err, ErrSchema)
			assert.Equal(t, c.path, e.Path, "%.80s", c.schema)
			assert.Contains(t, e.Reason, c.reason, "%.80s", c.schema)
		}
	}
}
