package zipxml

import (
	"context"
	"path"
	"strings"
)

// Relation is what a part of an Office Open XML file refers to.
type Relation struct {
	ID, Type string // Type is the last element of its name, such as "slide"
	Target   string // the name of a part; what lies outside of the file has none
}

// Relations lists what a part refers to, "" the file itself. One that says nothing has none.
func (a *Archive) Relations(ctx context.Context, part string) (all []Relation) {
	root, err := a.Tree(ctx, path.Join(path.Dir(part), "_rels", path.Base("/"+part)+".rels"))
	if part == "" {
		root, err = a.Tree(ctx, "_rels/.rels")
	}
	if err != nil {
		return nil
	}
	for _, r := range root.Kids {
		rel := Relation{ID: r.Attr("Id"), Type: path.Base(r.Attr("Type"))}
		switch target := r.Attr("Target"); {
		case r.Attr("TargetMode") == "External":
		case strings.HasPrefix(target, "/"):
			rel.Target = strings.TrimPrefix(path.Clean(target), "/")
		default:
			rel.Target = path.Join(path.Dir(part), target)
		}
		all = append(all, rel)
	}
	return all
}

// Main is the part of the document itself, usual where the archive does not say which.
func (a *Archive) Main(ctx context.Context, usual string) string {
	if rel, ok := Related(a.Relations(ctx, ""), "", "officeDocument"); ok {
		return rel.Target
	}
	return usual
}

// Related finds the first relation that fits, by its ID where id is not "", and by its type where kind is not "".
func Related(all []Relation, id, kind string) (Relation, bool) {
	for _, r := range all {
		if (id == "" || r.ID == id) && (kind == "" || r.Type == kind) {
			return r, true
		}
	}
	return Relation{}, false
}
