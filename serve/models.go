package serve

import (
	"fmt"
	"net/http"

	"github.com/docent-ml/docent/openai"
)

// models lists what the key may use.
func (h *Handler) models(x *exchange) error {
	list := openai.ModelList{Object: "list", Data: []openai.Model{}}
	for _, m := range h.pool.list(x.ctx) {
		if h.mayUse(x, m.ID) {
			list.Data = append(list.Data, m.wire())
		}
	}
	return x.respond(http.StatusOK, list)
}

// model answers for one id.
func (h *Handler) model(x *exchange) error {
	if !h.mayUse(x, x.model) {
		return notAllowed(x.model)
	}
	for _, m := range h.pool.list(x.ctx) {
		if m.ID == x.model {
			return x.respond(http.StatusOK, m.wire())
		}
	}
	return modelNotFound(x.model)
}

func (m modelState) wire() openai.Model {
	out := openai.Model{
		ID: m.ID, Object: "model", Created: m.Created.Unix(), OwnedBy: "docent",
		BaseModel: m.BaseModel, ContextLength: m.ContextLength, Ready: &m.ready,
	}
	if m.info.BaseModel != "" {
		out.BaseModel = m.info.BaseModel
	}
	if m.info.ContextLength != 0 {
		out.ContextLength = m.info.ContextLength
	}
	return out
}

func modelNotFound(id string) *openai.Error {
	return openai.NewError(openai.CodeModelNotFound, fmt.Sprintf("the model %s does not exist", shown(id))).WithParam("model")
}

func notAllowed(id string) *openai.Error {
	return openai.NewError(openai.CodeModelNotAllowed, fmt.Sprintf("this key may not use the model %s", shown(id))).WithParam("model")
}

// shown is a name that came from outside, as an error may repeat it: short, and printable ASCII.
func shown(name string) string {
	if r := []rune(name); len(r) > 128 {
		name = string(r[:128]) + "…"
	}
	return fmt.Sprintf("%+q", name)
}
