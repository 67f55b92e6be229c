package openai

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

// EmbeddingRequest is the body of POST /v1/embeddings. A server reads it with [ParseEmbeddingRequest].
type EmbeddingRequest struct {
	Model          string  `json:"model"`
	Input          []Input `json:"input"`
	EncodingFormat string  `json:"encoding_format,omitempty"` // "": float
	Dimensions     *int    `json:"dimensions,omitempty"`      // only what the model has anyway

	// Ignored names the fields of the body that nobody documented, at most 32. They had no effect.
	Ignored []string `json:"-"`
}

// EmbeddingResponse is the answer of POST /v1/embeddings.
type EmbeddingResponse struct {
	Object string         `json:"object"`
	Data   []Embedding    `json:"data"`
	Model  string         `json:"model"`
	Usage  EmbeddingUsage `json:"usage"`
}

// Embedding is the vector of one input.
type Embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding Vector `json:"embedding"`
}

// EmbeddingUsage counts the tokens of all inputs.
type EmbeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// Vector is a list of numbers on the wire, or the base64 text of their float32 values, lowest byte first.
type Vector struct {
	Values []float32
	Base64 bool
}

// MarshalJSON writes the list or the text.
func (v Vector) MarshalJSON() ([]byte, error) {
	if !v.Base64 {
		return json.Marshal(v.Values)
	}
	raw := make([]byte, 0, 4*len(v.Values))
	for _, x := range v.Values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(raw))
}

// UnmarshalJSON takes either form.
func (v *Vector) UnmarshalJSON(data []byte) error {
	*v = Vector{}
	if len(data) == 0 || data[0] != '"' {
		return json.Unmarshal(data, &v.Values)
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	if len(raw)%4 != 0 {
		return fmt.Errorf("openai: an embedding of %d bytes is not a list of float32", len(raw))
	}
	v.Base64, v.Values = true, make([]float32, len(raw)/4)
	for i := range v.Values {
		v.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// ParseEmbeddingRequest reads and checks the body of POST /v1/embeddings, as [ParseChatCompletionRequest] does.
func ParseEmbeddingRequest(body []byte, l Limits) (*EmbeddingRequest, error) {
	r := &EmbeddingRequest{}
	return parseRequest(body, l, r, &r.Ignored, func(s *fieldSet, l Limits) {
		r.Model = s.needed("model")
		r.Input = s.inputs("input", maxInputs)
		r.Dimensions = s.small("dimensions", 1, unbounded)
		s.text("user")
		if p, ok := s.given("encoding_format", text); ok {
			if p.text != "float" && p.text != "base64" {
				p.fault(enum, "must be float or base64")
			}
			r.EncodingFormat = p.text
		}
	})
}
