package serve

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-ml/docent/openai"
)

// schema is a JSON Schema. Maps are written in the order of their keys, so a document is the same each time.
type schema = map[string]any

// schemaSet makes JSON Schemas of wire types. Structs become components, and fields bring their bounds in the tag schema:
//
//	min=0,max=2,above=0        of numbers
//	minLength=1,pattern=^a$    of strings; \, is a comma
//	minItems=1,maxItems=5      of lists
//	enum=a|b                   the values there are
//	as=name                    one of the schemas written by hand below
//	nullable                   may be null
//	optional                   in a request, whatever the json tag says
type schemaSet struct {
	components map[string]schema
	request    bool // null stands for an absent field, as everywhere in requests
}

func (s *schemaSet) of(t reflect.Type) schema {
	if custom := s.byHand(t); custom != nil {
		return custom
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Slice:
		return schema{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if strings.HasPrefix(t.Name(), "Nullable[") {
			value, _ := t.FieldByName("Value")
			return s.of(value.Type)
		}
		return s.component(t)
	default:
		return schema{}
	}
}

// component makes a struct's schema once and refers to it.
func (s *schemaSet) component(t reflect.Type) schema {
	name := t.Name()
	if s.request && !strings.HasSuffix(name, "Request") && !strings.HasSuffix(name, "Body") {
		name += "Param"
	}
	ref := schema{"$ref": "#/components/schemas/" + name}
	if s.components[name] != nil {
		return ref
	}
	properties, required := schema{}, []string{}
	s.components[name] = schema{} // for types that hold themselves
	s.fields(t, properties, &required)
	out := schema{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	s.components[name] = out
	return ref
}

func (s *schemaSet) fields(t reflect.Type, properties schema, required *[]string) {
	for f := range t.Fields() {
		name, options, tagged := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			s.fields(f.Type, properties, required)
			continue
		}
		if name == "-" || name == "" || !f.IsExported() {
			continue
		}
		bounds := strings.Split(strings.ReplaceAll(f.Tag.Get("schema"), `\,`, "\x00"), ",")
		may := tagged && strings.Contains(options, "omit")
		field := s.of(f.Type)
		for _, b := range bounds {
			key, value, _ := strings.Cut(strings.ReplaceAll(b, "\x00", ","), "=")
			switch key {
			case "as":
				field = s.named(value)
			case "nullable":
				field = nullable(field)
			case "optional":
				may = may || s.request
			case "":
			default:
				bound(field, key, value)
			}
		}
		if !may {
			*required = append(*required, name)
		} else if s.request {
			field = nullable(field)
		}
		properties[name] = field
	}
}

// bound adds a bound to a schema, or to the value beside null.
func bound(s schema, key, value string) {
	switch key {
	case "min", "max", "above":
		n, _ := strconv.ParseFloat(value, 64)
		s[map[string]string{"min": "minimum", "max": "maximum", "above": "exclusiveMinimum"}[key]] = n
	case "minItems", "maxItems", "minLength":
		n, _ := strconv.Atoi(value)
		s[key] = n
	case "enum":
		var list []any
		for _, v := range strings.Split(value, "|") {
			if v == "false" {
				list = append(list, false)
			} else {
				list = append(list, v)
			}
		}
		if types, ok := s["type"].([]any); ok && types[1] == "null" {
			list = append(list, nil)
		}
		s["enum"] = list
	default:
		s[key] = value
	}
}

// nullable allows null too.
func nullable(s schema) schema {
	switch t := s["type"].(type) {
	case []any:
		return s
	case string:
		s["type"] = []any{t, "null"}
		if list, ok := s["enum"].([]any); ok {
			s["enum"] = append(list, nil)
		}
		return s
	default:
		return schema{"anyOf": []any{s, schema{"type": "null"}}}
	}
}

// byHand are the types that are more than one thing on the wire.
func (s *schemaSet) byHand(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[map[string]any]():
		return schema{"type": "object"}
	case reflect.TypeFor[openai.Stop]():
		one := schema{"type": "string", "minLength": 1}
		return anyOf(one, schema{"type": "array", "items": one, "maxItems": 16})
	case reflect.TypeFor[map[int]float64]():
		return schema{
			"type": "object", "propertyNames": schema{"pattern": "^(0|[1-9][0-9]{0,8})$"},
			"additionalProperties": schema{"type": "number", "minimum": -100, "maximum": 100},
		}
	case reflect.TypeFor[openai.Vector]():
		return anyOf(schema{"type": "array", "items": schema{"type": "number"}}, schema{"type": "string", "contentEncoding": "base64"})
	case reflect.TypeFor[openai.ToolChoice]():
		return anyOf(modes(), object(schema{"type": constant("function"), "function": object(schema{"name": functionName()})}))
	case reflect.TypeFor[openai.ResponseToolChoice]():
		return anyOf(modes(), object(schema{"type": constant("function"), "name": functionName()}))
	case reflect.TypeFor[openai.Code]():
		return schema{"type": "string"}
	case reflect.TypeFor[[]openai.Message]():
		return s.messages()
	}
	return nil
}

// named are the schemas that a tag asks for.
func (s *schemaSet) named(name string) schema {
	text := schema{"type": "string", "minLength": 1}
	tokens := schema{"type": "array", "items": schema{"type": "integer", "minimum": 0}, "minItems": 1}
	list := func(items schema) schema { return schema{"type": "array", "items": items, "minItems": 1} }
	switch name {
	case "inputs":
		return anyOf(text, tokens, list(text), list(tokens))
	case "response_input":
		part := object(schema{"type": schema{"enum": []any{"input_text", "output_text"}}, "text": schema{"type": "string"}})
		content := anyOf(schema{"type": "string"}, list(part))
		message := object(schema{"role": schema{"enum": []any{"developer", "system", "user", "assistant"}}, "content": content})
		call := object(schema{"type": constant("function_call"), "call_id": schema{"type": "string"}, "name": functionName(), "arguments": schema{"type": "string"}})
		output := object(schema{"type": constant("function_call_output"), "call_id": schema{"type": "string"}, "output": content})
		texts := list(object(schema{"type": schema{"enum": []any{"reasoning_text", "summary_text"}}, "text": schema{"type": "string"}}))
		thought := schema{"type": "object", "properties": schema{"type": constant("reasoning"), "content": texts, "summary": texts}, "required": []any{"type"}}
		items := list(anyOf(message, call, output, thought))
		items["contains"] = object(schema{"role": constant("user")})
		return anyOf(text, items)
	case "top_logprobs":
		return schema{"type": "array", "items": nullable(schema{"type": "object", "additionalProperties": schema{"type": "number"}})}
	default:
		return schema{}
	}
}

// messages are what a conversation may have: what is required depends on the role.
func (s *schemaSet) messages() schema {
	part := object(schema{"type": constant("text"), "text": schema{"type": "string"}})
	content := anyOf(schema{"type": "string"}, schema{"type": "array", "items": part, "minItems": 1})
	calls := schema{"type": "array", "items": s.of(reflect.TypeFor[openai.ToolCall]()), "minItems": 1}
	calling := object(schema{"role": constant("assistant"), "tool_calls": calls})
	calling["properties"].(schema)["content"] = nullable(content)
	return schema{
		"type": "array",
		"items": anyOf(
			object(schema{"role": schema{"enum": []any{"developer", "system", "user", "assistant"}}, "content": content}), calling,
			object(schema{"role": constant("tool"), "content": content, "tool_call_id": schema{"type": "string"}}),
		),
		"contains": object(schema{"role": constant("user")}),
	}
}

func anyOf(options ...schema) schema { return schema{"anyOf": options} }

func constant(value string) schema { return schema{"const": value} }

func modes() schema { return schema{"enum": []any{"none", "auto", "required"}} }

func functionName() schema { return schema{"type": "string", "pattern": "^[a-zA-Z0-9_.-]{1,64}$"} }

// object has all of its properties.
func object(properties schema) schema {
	required := []string{}
	for name := range properties {
		required = append(required, name)
	}
	slices.Sort(required)
	return schema{"type": "object", "properties": properties, "required": required}
}
