package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-ml/docent/internal/testmodel"
)

// What clients send to the program, in forms that other servers take: the status, what is named in X-Docent-Ignored, and what
// the body has.
func TestRequestsOfClients(t *testing.T) {
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "m", "-max-tokens", "400")
	chat := func(fields string) string {
		return `{"model":"m","seed":1,"max_tokens":200,"messages":[{"role":"user","content":"hi"}]` + fields + `}`
	}
	schema := func(s string, more string) string {
		return chat(`,"response_format":{"type":"json_schema","json_schema":{"name":"x"` + more + `,"schema":` + s + `}}`)
	}
	tool := `{"type":"function","function":{"name":"files.read","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}}}`
	other := strings.ReplaceAll(tool, "files.read", "files-list")
	answer := `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"enum":["yes","no"]}},"required":["a"],"additionalProperties":false}}}`
	many := func(n int) string {
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, `,"v%d"`, i)
		}
		return out.String()[1:]
	}
	const c, l, e, r = "/chat/completions", "/completions", "/embeddings", "/responses"
	for _, x := range []struct {
		name, path, body string
		status           int
		ignored          string
		has              string // a regular expression
	}{
		{"tools and a schema", c, chat(`,"tools":[` + tool + `]` + answer), 200, "", `"finish_reason":"(tool_calls|stop|length)"`},
		{"streamed", c, chat(`,"stream":true,"tools":[` + tool + `]` + answer), 200, "", `"finish_reason":"(tool_calls|stop|length)"`},
		{"no tools after all, and a schema", c, chat(`,"tool_choice":"none","tools":[` + tool + `]` + answer), 200, "", `"content":"\{ ?\s*\\?"`},
		{"a forced call beside a schema", c, chat(`,"tool_choice":"required","tools":[` + tool + `]` + answer), 200, "", `"arguments":"\{[^{}]*n[^{}]*[1-9]\s*(\\n\s*)?\}"}}\]},"logprobs":null,"finish_reason":"tool_calls"`},
		{"one function forced", c, chat(`,"tool_choice":{"type":"function","function":{"name":"files-list"}},"tools":[` + tool + `,` + other + `]`), 200, "", `"content":null,.*"name":"files-list"`},
		{"forced and streamed", c, chat(`,"stream":true,"tool_choice":"required","tools":[` + tool + `]`), 200, "", `^data: [^\n]*"delta":\{"role":"assistant","content":null,"refusal":null\}`},
		{"forced, streamed, twice", c, chat(`,"n":2,"stream":true,"tool_choice":"required","tools":[` + tool + `]`), 200, "", `"index":1,"logprobs":null,"finish_reason":null,"delta":\{"role":"assistant","content":null`},
		{"no parallel calls", c, chat(`,"parallel_tool_calls":false,"tool_choice":"required","tools":[` + tool + `,` + other + `]`), 200, "", `"tool_calls":\[\{[^\]]*\}\]`},
		{"a call cut off", c, strings.Replace(chat(`,"tool_choice":"required","tools":[`+tool+`]`), "200", "30", 1), 200, "", `"finish_reason":"length"`},
		{"functions", c, chat(`,"functions":[{"name":"f"}],"function_call":{"name":"f"}`), 200, "", `"function_call":\{"name":"f","arguments":"\{[^{}]*\}"\}},"logprobs":null,"finish_reason":"function_call"`},
		{"functions streamed", c, chat(`,"stream":true,"functions":[{"name":"f"}],"function_call":{"name":"f"}`), 200, "", `"delta":\{"role":"assistant","content":null,.*"function_call":\{"name":"f","arguments":""\}.*"finish_reason":"function_call"`},
		{"an empty list of tools", c, chat(`,"tools":[],"tool_choice":"auto"`), 200, "", `"content":`},
		{"tools of responses", r, `{"model":"m","input":"hi","max_output_tokens":200,"tool_choice":"required","tools":[{"type":"function","name":"f","parameters":null,"strict":null}]}`, 200, "", `"type":"function_call"`},
		{"a schema of responses beside tools", r, `{"model":"m","input":"hi","max_output_tokens":200,"tools":[{"type":"function","name":"f","parameters":{}}],"text":{"format":{"type":"json_schema","name":"x","schema":{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}}}}`, 200, "", `"status":"(completed|incomplete)"`},

		{"references", c, schema(`{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["next"],"additionalProperties":false}}}`, `,"strict":true`), 200, "", `"content":"\{`},
		{"a reference to the root", c, schema(`{"type":"object","properties":{"all":{"type":"array","maxItems":1,"items":{"$ref":"#"}}},"required":["all"],"additionalProperties":false}`, `,"strict":true`), 200, "", `"content":"\{`},
		{"a reference that leads nowhere", c, schema(`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}}}`, `,"strict":true`), 422, "", `schema.properties.a.\$ref`},
		{"the same, not strict", c, schema(`{"type":"object","properties":{"a":{"$ref":"other.json"}}}`, ""), 200, `schema.properties.a.$ref`, `"content":"\{`},
		{"a discriminated union", c, schema(`{"type":"object","properties":{"p":{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}],"discriminator":{"propertyName":"k"}}},"required":["p"]}`, ""), 200, `discriminator`, `"content":"\{`},
		{"a union that is not told apart", c, schema(`{"oneOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}}]}`, ""), 200, `oneOf`, `"content":"\{`},
		{"all of some", c, schema(`{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":3}}}]}`, ""), 200, "", `"content":"\{[^\d]*3`},
		{"a map", c, schema(`{"type":"object","propertyNames":{"type":"string","maxLength":3},"maxProperties":2,"additionalProperties":{"type":"boolean"}}`, ""), 200, "", `"content":"\{`},
		{"names of a pattern", c, schema(`{"type":"object","patternProperties":{"^x_[a-z]$":{"type":"null"}},"additionalProperties":false}`, ""), 200, "", `"content":"\{`},
		{"nullable, as OpenAPI 3.0 has it", c, schema(`{"type":"object","properties":{"a":{"type":"string","nullable":true,"maxLength":2}},"required":["a"]}`, ""), 200, `schema.properties.a.nullable`, `"content":"\{`},
		{"several types", c, schema(`{"type":"object","properties":{"a":{"type":["boolean","null"]}},"required":["a"]}`, ""), 200, "", `(true|false|null)`},
		{"tuples", c, schema(`{"type":"array","prefixItems":[{"const":1},{"type":"null"}],"items":false,"minItems":2}`, ""), 200, "", `"content":"\[\s*(\\n\s*)?1,`},
		{"tuples of older drafts", c, schema(`{"type":"array","items":[{"const":1},{"type":"null"}],"additionalItems":false,"minItems":2}`, ""), 200, "", `"content":"\[\s*(\\n\s*)?1,`},
		{"values of several types", c, schema(`{"enum":["a",1,null,true,[1],{"b":2}]}`, ""), 200, "", `"content":"`},
		{"a constant", c, schema(`{"const":{"a":[1,"x"]}}`, `,"strict":true`), 200, "", `"content":"\{`},
		{"a format that nobody knows", c, schema(`{"type":"string","format":"iban","maxLength":3}`, ""), 200, "schema.format", `"content":"\\"`},
		{"a format", c, schema(`{"type":"string","format":"date"}`, `,"strict":true`), 200, "", `"content":"\\"[1-9]\d{3}-\d\d-\d\d\\""`},
		{"a boolean for a schema", c, schema(`true`, ""), 422, "", `schema`},
		{"enough values", c, schema(`{"enum":[`+many(1000)+`]}`, ""), 200, "", `"content":"\\"v`},
		{"too many values", c, schema(`{"enum":[`+many(1001)+`]}`, ""), 422, "", `more than 1000 values`},
		{"conditions", c, schema(`{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"],"if":{"properties":{"a":{"const":true}}},"then":{"required":["b"]}}`, ""), 200, `schema.if`, `"content":"\{`},
		{"any object", c, chat(`,"response_format":{"type":"json_object"}`), 200, "", `"content":"\{`},

		{"a system message alone", c, `{"model":"m","max_tokens":3,"messages":[{"role":"system","content":"Name a colour."}]}`, 200, "", `"finish_reason":`},
		{"parts", c, `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"","cache_control":{"type":"ephemeral"}}]}]}`, 200, "cache_control", `"finish_reason":`},
		{"a picture", c, `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}}]}]}`, 422, "", `messages\[0\].content\[0\]`},
		{"a second step of tools", c, `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":{"name":"a.b","arguments":""}},{"id":"2","type":"function","function":{"name":"a.b","arguments":"{}"}}]},{"role":"tool","tool_call_id":"2","content":[{"type":"text","text":"7"}]},{"role":"tool","tool_call_id":"1","content":null}]}`, 200, "", `"finish_reason":`},
		{"calls beside an empty list of parts", c, `{"model":"m","max_tokens":3,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[],"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":""}]}`, 200, "", `"finish_reason":`},
		{"settings without meaning", c, chat(`,"reasoning_effort":"low","verbosity":"low","service_tier":"flex","store":false,"metadata":{"a":"b"},"safety_identifier":"x","guided_json":{}`), 200, "reasoning_effort", `"finish_reason":`},
		{"usage of a stream", c, chat(`,"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}`), 200, "", `"choices":\[\],"usage":\{"prompt_tokens":\d+,.*\n\ndata: \[DONE\]\n\n$`},
		{"two of a seed", c, chat(`,"n":2,"temperature":0`), 200, "", `"index":1`},
		{"stops", c, chat(`,"stop":[],"logit_bias":{"97":-100},"logprobs":true,"top_logprobs":0`), 200, "", `"top_logprobs":\[\]`},

		{"scoring", l, `{"model":"m","prompt":"abc","echo":true,"max_tokens":0,"logprobs":1}`, 200, "", `"text":"abc".*"text_offset":\[0,1,2\],"token_logprobs":\[null,-`},
		{"scoring of tokens, streamed", l, `{"model":"m","prompt":[[97,98],[99]],"echo":true,"max_tokens":0,"logprobs":0,"stream":true}`, 200, "", `"finish_reason":"length".*\[DONE\]`},
		{"nothing to write", l, `{"model":"m","prompt":"abc","max_tokens":0}`, 200, "", `"text":"","index":0,"logprobs":null,"finish_reason":"length"`},
		{"vectors", e, `{"model":"m","input":[[97,98],[99]],"encoding_format":"base64"}`, 200, "", `"index":1,"embedding":"[A-Za-z0-9+/=]+"`},
		{"vectors of another size", e, `{"model":"m","input":"a","dimensions":7}`, 422, "", `"param":"dimensions"`},
		{"truncation", r, `{"model":"m","input":[{"role":"user","content":"` + strings.Repeat("long ", 500) + `"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"truncation":"auto","max_output_tokens":5}`, 200, "", `"truncation":"auto"`},
	} {
		t.Run(x.name, func(t *testing.T) {
			response, err := http.Post(url+x.path, "application/json", strings.NewReader(x.body))
			require.NoError(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, x.status, response.StatusCode, "%s", body)
			assert.Contains(t, response.Header.Get("X-Docent-Ignored"), x.ignored)
			assert.Regexp(t, regexp.MustCompile(`(?s)`+x.has), string(body))
		})
	}
}

// Bodies that are packed, and those that are not what they say.
func TestPackedBodies(t *testing.T) {
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "m", "-max-tokens", "400")
	body := []byte(`{"model":"m","max_tokens":2,"messages":[{"role":"user","content":"hi"}]}`)
	var zipped, deflated bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(body)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	d, err := flate.NewWriter(&deflated, 6)
	require.NoError(t, err)
	_, err = d.Write(body)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	spoiled := bytes.Clone(zipped.Bytes())
	spoiled[len(spoiled)/2] ^= 0x55
	for _, x := range []struct {
		encoding, kind string
		body           []byte
		status         int
		says           string
	}{
		{"gzip", "application/json", zipped.Bytes(), 200, "choices"},
		{"GZip", "application/json; charset=UTF8", zipped.Bytes(), 200, "choices"},
		{"identity", "application/vnd.api+json", body, 200, "choices"},
		{"gzip", "application/json", zipped.Bytes()[:zipped.Len()-9], 400, "Content-Encoding"},
		{"gzip", "application/json", spoiled, 400, "Content-Encoding"},
		{"gzip", "application/json", append(bytes.Clone(zipped.Bytes()), '{'), 400, "Content-Encoding"},
		{"gzip", "application/json", body, 400, "Content-Encoding"},
		{"gzip", "application/json", nil, 400, "Content-Encoding"},
		{"deflate", "application/json", deflated.Bytes(), 415, "gzip"},
		{"gzip, gzip", "application/json", zipped.Bytes(), 415, "gzip"},
		{"br", "application/json", body, 415, "gzip"},
	} {
		request, err := http.NewRequest("POST", url+"/chat/completions", bytes.NewReader(x.body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", x.kind)
		request.Header.Set("Content-Encoding", x.encoding)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		require.NoError(t, err)
		assert.Equal(t, x.status, response.StatusCode, "%s %s: %s", x.encoding, x.kind, text)
		assert.Contains(t, string(text), x.says)
		if x.status == 415 {
			assert.Equal(t, "gzip", response.Header.Get("Accept-Encoding"), "what would be taken")
		}
	}
}

// A connection whose body does not come is answered or cut in a few seconds, whatever it asks for.
func TestBodiesThatDoNotCome(t *testing.T) {
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "m")
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/v1")
	for _, line := range []string{"PUT /v1/chat/completions", "DELETE /v1/models/m", "OPTIONS /v1/embeddings", "GET /v1/models", "HEAD /health", "POST /", "GET /", "PATCH /openapi.json", "POST //v1//nothing/", "GET /metrics", "TRACE /v1/completions"} {
		for _, more := range []string{"Content-Length: 200000", "Transfer-Encoding: chunked", "Expect: 100-continue\r\nContent-Length: 9"} {
			for _, version := range []string{"1.1", "1.0"} {
				t.Run(line+" "+more+" "+version, func(t *testing.T) {
					t.Parallel()
					conn, err := net.Dial("tcp", host)
					require.NoError(t, err)
					defer conn.Close()
					_, err = io.WriteString(conn, line+" HTTP/"+version+"\r\nHost: localhost\r\nContent-Type: application/json\r\n"+more+"\r\n\r\n")
					require.NoError(t, err)
					require.NoError(t, conn.SetDeadline(time.Now().Add(15*time.Second)))
					text, err := io.ReadAll(conn)
					if version == "1.1" && strings.HasPrefix(more, "Expect") && err != nil {
						assert.Contains(t, string(text), "HTTP/1.1 ", "answered, and the connection stays")
						return
					}
					require.NoError(t, err, "cut off")
					assert.Contains(t, string(text), "HTTP/1.")
				})
			}
		}
	}
}

// Answers are what their schema says.
func TestAnswersFitTheirSchema(t *testing.T) {
	url, _ := start(t, "-model", testmodel.Write(t, 1), "-model-name", "m", "-max-tokens", "400")
	response, err := http.Post(url+"/chat/completions", "application/json", strings.NewReader(`{"model":"m","n":3,"seed":4,"max_tokens":300,"messages":[{"role":"user","content":"x"}],
		"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object","properties":{"a":{"type":"number","exclusiveMinimum":0,"maximum":1,"multipleOf":0.25},
		"b":{"type":"array","items":{"enum":["x","y"]},"uniqueItems":true,"minItems":1},"c":{"not":{"enum":["no"]},"type":"string","maxLength":4}},"required":["a","b","c"],"additionalProperties":false}}}}`))
	require.NoError(t, err)
	defer response.Body.Close()
	var out struct {
		Choices []struct {
			Message      struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&out))
	require.Len(t, out.Choices, 3)
	for _, c := range out.Choices {
		var v struct {
			A float64
			B []string
			C *string
		}
		if c.FinishReason == "stop" {
			require.NoError(t, json.Unmarshal([]byte(c.Message.Content), &v))
			assert.Contains(t, []float64{0.25, 0.5, 0.75, 1}, v.A)
			assert.NotEmpty(t, v.B)
			assert.LessOrEqual(t, len([]rune(*v.C)), 4)
		}
	}
}
