package serve

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/docent-ml/docent/openai"
)

// models lists what the key may use.
func (h *Handler) models(x *exchange) error {
	list := openai.ModelList{Object: "list", Data: []openai.Model{}}
	all := h.pool.list(x.ctx)
	for _, m := range all {
		if h.mayUse(x, m.ID) {
			list.Data = append(list.Data, m.wire(all))
		}
	}
	return x.respond(http.StatusOK, list)
}

// model answers for one id.
func (h *Handler) model(x *exchange) error {
	if !h.mayUse(x, x.model) {
		return notAllowed(x.model)
	}
	all := h.pool.list(x.ctx)
	for _, m := range all {
		if m.ID == x.model {
			return x.respond(http.StatusOK, m.wire(all))
		}
	}
	return modelNotFound(x.model)
}

// wire describes a model among all that there are.
func (m modelState) wire(all []modelState) openai.Model {
	out := openai.Model{
		ID: m.ID, Object: "model", Created: m.Created.Unix(), OwnedBy: "docent", Root: m.ID,
		BaseModel: m.base(), ContextLength: cmp.Or(m.info.ContextLength, m.ContextLength), Ready: &m.ready,
	}
	bases := map[string]string{}
	for _, other := range all {
		bases[other.ID] = other.base()
	}
	if out.BaseModel != "" && out.BaseModel != m.ID {
		out.Parent = &out.BaseModel
		for range all { // at most so many steps, should they go in a circle
			if base := bases[out.Root]; base != "" {
				out.Root = base
			}
		}
	}
	return out
}

// base is the model that m was made from, "" if that is not known.
func (m modelState) base() string { return cmp.Or(m.BaseModel, m.info.BaseModel) }

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
