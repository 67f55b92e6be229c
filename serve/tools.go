package serve

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docent-ml/docent/openai"
)

// fieldNames are where a route's request has what a model may refuse.
type fieldNames struct {
	schema     []any                // of the response format
	parameters func(tool int) []any // of a tool
	prompt     string
}

var chatFields = fieldNames{
	schema:     []any{"response_format", "json_schema", "schema"},
	parameters: func(i int) []any { return []any{"tools", i, "function", "parameters"} },
	prompt:     "messages",
}

var responseFields = fieldNames{
	schema:     []any{"text", "format", "schema"},
	parameters: func(i int) []any { return []any{"tools", i, "parameters"} },
	prompt:     "input",
}

// schemaFault names the place of what a schema cannot have.
func (f fieldNames) schemaFault(e *SchemaError) error {
	return openai.Unsupported(openai.CodeUnsupportedSchema, e.Reason, f.place(e.Tool, e.Path)...)
}

// place is where a request has a part of a schema.
func (f fieldNames) place(tool int, path []any) []any {
	loc := f.schema
	if tool >= 0 {
		loc = f.parameters(tool)
	}
	return slices.Concat(loc, path)
}

// ignored names what the answer is not kept to, as X-Docent-Ignored has it: the first 32 places.
func (f fieldNames) ignored(list []IgnoredKeyword) []string {
	var names []string
	for _, i := range list[:min(len(list), 32)] {
		name := *openai.Unsupported(openai.CodeUnsupportedSchema, "", f.place(i.Tool, i.Path)...).Param
		names = append(names, name[:min(len(name), 256)])
	}
	return names
}

// toolsOf is what the model may call. Without tools, and with the choice none, it is told of nothing.
func toolsOf(list []openai.Tool, choice *openai.ToolChoice, parallel *bool) (t Tools) {
	if choice != nil && choice.Mode == openai.ToolNone {
		return t
	}
	for _, x := range list {
		t.List = append(t.List, Tool{x.Function.Name, x.Function.Description, x.Function.Parameters, x.Function.Strict})
	}
	if choice != nil {
		t.Must = choice.Mode == openai.ToolRequired
		t.Only = choice.Name
	}
	t.One = parallel != nil && !*parallel || t.Only != ""
	return t
}

func formatOf(f *openai.ResponseFormat) Format {
	if f == nil || f.Type == "text" {
		return Format{}
	}
	if f.JSONSchema == nil {
		return Format{JSON: true}
	}
	return Format{JSON: true, Schema: f.JSONSchema.Schema, Strict: f.JSONSchema.Strict}
}

// hasToken refuses the id of a token that the model does not have.
func (g *generation) hasToken(id int, loc ...any) error {
	if n := g.info.VocabSize; n > 0 && id >= n {
		return openai.Invalid(fmt.Sprintf("the model has no such token, only 0 to %d", n-1), loc...)
	}
	return nil
}

// able refuses what this model cannot do.
func (g *generation) able(ask Request, bias map[int]float64) error {
	info, f := g.info, g.fields
	for _, id := range slices.Sorted(maps.Keys(bias)) {
		if err := g.hasToken(id, "logit_bias", strconv.Itoa(id)); err != nil {
			return err
		}
	}
	forced := ask.Tools.Must || ask.Tools.Only != ""
	switch {
	case ask.Format.JSON && !info.Constrained:
		return openai.Unsupported(openai.CodeUnsupportedOperation, "the model's answers cannot be constrained", f.schema[0])
	case forced && !info.Constrained, len(ask.Tools.List) > 0 && !forced && !info.Tools:
		return openai.Unsupported(openai.CodeUnsupportedParameter, "the model's chat template knows no tools", "tools")
	}
	if info.Tools {
		return nil
	}
	for _, m := range ask.Messages {
		if m.Role == "tool" || len(m.Calls) > 0 {
			return openai.Unsupported(openai.CodeUnsupportedOperation, "the model's chat template knows no messages of tools", f.prompt)
		}
	}
	return nil
}
