package openai

// AdapterRequest is the body of POST /v1/load_lora_adapter and, without a path, of /v1/unload_lora_adapter, as vLLM has them.
type AdapterRequest struct {
	Name string `json:"lora_name"`
	Path string `json:"lora_path,omitempty"`
}

// ParseAdapterRequest reads and checks such a body, as [ParseChatCompletionRequest] does; path: it names one.
func ParseAdapterRequest(body []byte, path bool, l Limits) (*AdapterRequest, error) {
	r := &AdapterRequest{}
	return parseRequest(body, l, r, new([]string), func(s *fieldSet, _ Limits) {
		r.Name = s.needed("lora_name")
		if path {
			r.Path = s.needed("lora_path")
		}
	})
}
