package serve

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/openai"
)

type noMetrics struct{ http.Handler }

func (noMetrics) ObserveRequest(RequestObservation)                {}
func (noMetrics) ObserveLoad(string, time.Duration, error)         {}
func (noMetrics) Watch(func() Stats)                               {}
func (noMetrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "# none\n") }

// spec is the document that h serves, which has no faults.
func spec(t *testing.T, h http.Handler, path string) *apiDocument {
	t.Helper()
	w := get(h, path)
	require.Equal(t, 200, w.Code)
	doc, err := readOpenAPI(w.Body.Bytes())
	require.NoError(t, err)
	return doc
}

func TestOpenAPIDocument(t *testing.T) {
	for _, o := range []HandlerOptions{{}, {APIKeys: map[string]string{"a": "k"}, Metrics: noMetrics{}, MaxN: 3, ValidationStatus: 400}} {
		h := newHandler(t, hello(), o)
		doc := spec(t, h, "/openapi.json")
		for template, item := range doc.Paths {
			path := strings.Replace(template, "{id}", "m", 1)
			for method := range item {
				w, _ := do(h, httptest.NewRequest(strings.ToUpper(method), path, nil))
				assert.NotContains(t, []int{404, 405}, w.Code, path)
				assert.NoError(t, doc.response(template, method, w), path)
				w, _ = do(h, httptest.NewRequest("PATCH", path, nil))
				assert.Equal(t, 405, w.Code, path)
				assert.NoError(t, doc.response(template, method, w), path)
			}
		}
		assert.Equal(t, o.Metrics != nil, doc.Paths["/metrics"] != nil)
	}
	assert.Equal(t, get(newHandler(t, hello(), HandlerOptions{}), "/openapi.json").Body.String(), get(newHandler(t, hello(), HandlerOptions{}), "/openapi.json").Body.String())
}

func TestOpenAPIServer(t *testing.T) {
	root := newHandler(t, hello(), HandlerOptions{})
	own := newHandler(t, hello(), HandlerOptions{Prefix: "/a/b"})
	mux := http.NewServeMux()
	mux.Handle("/ai/", http.StripPrefix("/ai", root))
	for path, h := range map[string]http.Handler{"": root, "/a/b": own, "/ai": mux} {
		doc := spec(t, h, path+"/openapi.json")
		want := path
		if want == "" {
			want = "/"
		}
		assert.Equal(t, []map[string]any{{"url": want}}, doc.Servers)
	}
}

// TestComponents holds the schemas against the Go types of the same name: each has the fields of the other.
func TestComponents(t *testing.T) {
	var all map[string]struct{ Properties map[string]any }
	require.NoError(t, json.Unmarshal(components, &all))
	var fields func(typ reflect.Type) []string
	fields = func(typ reflect.Type) (names []string) {
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Anonymous && name == "" {
				names = append(names, fields(f.Type)...)
			} else if name != "-" && name != "" {
				names = append(names, name)
			}
		}
		return names
	}
	for _, v := range []any{
		openai.ChatCompletionRequest{}, openai.ChatCompletionResponse{}, openai.ChatChoice{}, openai.ResponseMessage{}, openai.CompletionRequest{},
		openai.CompletionResponse{}, openai.CompletionChoice{}, openai.CompletionLogprobs{}, openai.EmbeddingRequest{}, openai.EmbeddingResponse{},
		openai.Embedding{}, openai.EmbeddingUsage{}, openai.Response{}, openai.OutputItem{}, openai.OutputPart{}, openai.ResponseUsage{}, openai.ResponseTool{},
		openai.ToolCall{}, openai.FunctionCall{}, openai.Usage{}, openai.Latency{}, openai.Logprobs{}, openai.TokenLogprob{}, openai.TopLogprob{}, openai.Model{},
		openai.ModelList{}, openai.AdapterRequest{}, openai.Error{}, openai.Detail{}, openai.ErrorResponse{}, healthReport{}, modelHealth{}, liveReport{}, Degradation{},
	} {
		typ := reflect.TypeOf(v)
		want := fields(typ)
		if typ.Name() == "ChatCompletionRequest" {
			want = append(want, "functions", "function_call") // read as tools
		}
		assert.ElementsMatch(t, want, slices.Collect(maps.Keys(all[typ.Name()].Properties)), typ.Name())
	}
}

// TestOpenAPIDescribesTheHandler holds requests and responses against the document: what the one accepts the other does.
func TestOpenAPIDescribesTheHandler(t *testing.T) {
	m := &embedder{fakeModel: *hello()}
	m.info.Tools, m.info.Constrained = true, true
	h := newHandler(t, m, HandlerOptions{})
	doc := spec(t, h, "/openapi.json")
	check := func(path, body string) (status int, undescribed error) {
		w, _ := do(h, post(path, body))
		assert.NoError(t, doc.response(path, "post", w), "%s %s: %s", path, body, w.Body)
		return w.Code, doc.request(path, post(path, body))
	}
	text := `"messages":[{"role":"user","content":"x"}]`
	tool := `{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}`
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", plain}, {"/v1/chat/completions", with(`"stream":true`)},
		{"/v1/chat/completions", with(`"logprobs":true,"top_logprobs":2,"n":2,"stop":["a"],"logit_bias":{"3":-1},"seed":null,"temperature":null,"stream_options":null`)},
		{"/v1/chat/completions", with(`"stop":"a","max_tokens":3,"chat_template_kwargs":{"a":1},"response_format":{"type":"text"},"ignore_eos":false,"top_k":0`)},
		{"/v1/chat/completions", with(`"tools":[` + tool + `],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false`)},
		{"/v1/chat/completions", with(`"tools":[` + tool + `],"tool_choice":"auto"`)},
		{"/v1/chat/completions", with(`"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"},"strict":true}}`)},
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"}]},
			{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":null},{"role":"function","name":"f","content":null}]}`},
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"system","content":"x"}]}`},
		{"/v1/completions", `{"model":"m","prompt":"x","echo":true,"logprobs":2}`},
		{"/v1/completions", `{"model":"m","prompt":["x","y"],"max_tokens":2}`},
		{"/v1/completions", `{"model":"m","prompt":"x","stream":true,"max_tokens":0}`},
		{"/v1/completions", `{"model":"m","prompt":[[1],[2,3]],"n":2}`},
		{"/v1/embeddings", `{"model":"m","input":"x"}`},
		{"/v1/embeddings", `{"model":"m","input":[1,2],"encoding_format":"base64","dimensions":2}`},
		{"/v1/responses", `{"model":"m","input":"x","instructions":"y","metadata":{"a":"b"},"text":{"format":{"type":"text"}}}`},
		{"/v1/responses", `{"model":"m","input":[{"role":"user","content":"x"},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"x"}],
			"tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"f"}}`},
		{"/v1/responses", `{"model":"m","input":"x","stream":true}`},
	} {
		code, undescribed := check(c.path, c.body)
		assert.Equal(t, 200, code, c.body)
		assert.NoError(t, undescribed, "accepted, but not described: %s", c.body)
	}
	// Each bound of the document is one of the handler, at the same place.
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", `{}`}, {"/v1/chat/completions", `{"model":"",` + text + `}`}, {"/v1/chat/completions", `{"model":"m","messages":[]}`},
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"user"}]}`}, {"/v1/chat/completions", `{"model":"m","messages":[{"role":"pirate","content":"x"}]}`},
		{"/v1/chat/completions", with(`"temperature":2.1`)}, {"/v1/chat/completions", with(`"temperature":-0.1`)}, {"/v1/chat/completions", with(`"top_p":1.1`)},
		{"/v1/chat/completions", with(`"n":9`)}, {"/v1/chat/completions", with(`"n":0`)}, {"/v1/chat/completions", with(`"n":1.5`)}, {"/v1/chat/completions", with(`"max_tokens":0`)},
		{"/v1/chat/completions", with(`"stop":""`)}, {"/v1/chat/completions", with(`"stop":[""]`)}, {"/v1/chat/completions", with(`"stream":1`)},
		{"/v1/chat/completions", with(`"repetition_penalty":0`)}, {"/v1/chat/completions", with(`"repetition_penalty":10.5`)}, {"/v1/chat/completions", with(`"min_p":2`)},
		{"/v1/chat/completions", with(`"top_k":-1`)}, {"/v1/chat/completions", with(`"logit_bias":{"a":1}`)}, {"/v1/chat/completions", with(`"logit_bias":{"1":101}`)},
		{"/v1/chat/completions", with(`"presence_penalty":2.5`)}, {"/v1/chat/completions", with(`"frequency_penalty":-2.5`)}, {"/v1/chat/completions", with(`"seed":"1"`)},
		{"/v1/chat/completions", with(`"logprobs":true,"top_logprobs":21`)}, {"/v1/chat/completions", with(`"response_format":{"type":"xml"}`)},
		{"/v1/chat/completions", with(`"tools":[{"type":"function","function":{"name":"a b"}}]`)}, {"/v1/chat/completions", with(`"tool_choice":"maybe"`)},
		{"/v1/completions", `{"model":"m"}`}, {"/v1/completions", `{"model":"m","prompt":[]}`}, {"/v1/completions", `{"model":"m","prompt":[1,"a"]}`}, {"/v1/completions", `{"model":"m","prompt":"x","logprobs":6}`},
		{"/v1/embeddings", `{"model":"m","input":""}`}, {"/v1/embeddings", `{"model":"m","input":"x","encoding_format":"hex"}`}, {"/v1/embeddings", `{"model":"m","input":"x","dimensions":0}`},
		{"/v1/responses", `{"model":"m"}`}, {"/v1/responses", `{"model":"m","input":[]}`}, {"/v1/responses", `{"model":"m","input":"x","store":true}`}, {"/v1/responses", `{"model":"m","input":"x","max_output_tokens":0}`},
	} {
		code, undescribed := check(c.path, c.body)
		assert.Equal(t, 422, code, c.body)
		var invalid *jsonschema.ValidationError
		assert.ErrorAs(t, undescribed, &invalid, "refused, but described: %s", c.body)
	}
	code, undescribed := check("/v1/chat/completions", `{`)
	assert.Equal(t, 400, code)
	assert.Error(t, undescribed)
	for _, c := range []struct{ template, path string }{
		{"/health", "/health"}, {"/health/live", "/health/live"}, {"/v1/models", "/v1/models"},
		{"/v1/models/{id}", "/v1/models/m"}, {"/v1/models/{id}", "/v1/models/none"},
	} {
		assert.NoError(t, doc.response(c.template, "get", get(h, c.path)), c.path)
	}
}
