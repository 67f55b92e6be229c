package pdf

import (
	"fmt"

	parser "github.com/ledongthuc/pdf"
)

// pageTree is the page tree flattened: its nodes in the order of the document,
// each after its parent.
type pageTree struct {
	refs    []ref
	parents []int // index into refs; -1 for the root
	isPage  []bool
	pages   int
}

func (t *pageTree) add(r ref, parent int, isPage bool) {
	t.refs, t.parents, t.isPage = append(t.refs, r), append(t.parents, parent), append(t.isPage, isPage)
	if isPage {
		t.pages++
	}
}

// walk visits each node of the page tree once, so neither loops nor wrong
// counts matter. When the tree leads nowhere, every page object of the file
// counts, in the order of their numbers.
func (f *File) walk(root ref) (t pageTree) {
	type visit struct {
		node   any
		parent int
	}
	seen := map[int]bool{}
	stack := []visit{{f.index.dict(root)["Pages"], -1}}
	for len(stack) > 0 && t.pages <= f.limits.Pages {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		r, ok := v.node.(ref)
		if !ok || seen[r.num] {
			continue
		}
		seen[r.num] = true
		d := f.index.dict(r)
		r = f.index.defs[r.num].ref
		if kids, ok := f.index.get(d["Kids"]).(array); ok {
			for i := len(kids) - 1; i >= 0; i-- {
				stack = append(stack, visit{kids[i], len(t.refs)})
			}
			t.add(r, v.parent, false)
		} else if d != nil && d.name("Type") != "Pages" {
			t.add(r, v.parent, true)
		}
	}
	if t.pages > 0 {
		return t
	}
	t = pageTree{}
	for _, num := range f.index.numbers() {
		if def := f.index.defs[num]; def.dict.name("Type") == "Page" {
			t.add(def.ref, -1, true)
		}
	}
	return t
}

// node is a page, or a node above it, with the value read once: the library
// parses an object anew each time that it follows a reference.
type node struct {
	ref    ref
	value  parser.Value
	parent *node
}

// inherited looks for key on the page and above.
func (n *node) inherited(key string) parser.Value {
	for ; n != nil; n = n.parent {
		if v := n.value.Key(key); !v.IsNull() {
			return v
		}
	}
	return parser.Value{}
}

// load gives the library the image of the file and takes the page tree from it.
func (f *File) load(root ref, tree pageTree) error {
	f.streams = map[int64]*stream{}
	for _, def := range f.index.defs {
		if def.stream != nil {
			f.streams[int64(len(header)+def.stream.start)] = def.stream
		}
	}
	img := newImage(f.index, root, tree.refs)
	r, err := parser.NewReader(img, img.size())
	if err != nil {
		return fmt.Errorf("%w: %v", ErrMalformed, err)
	}
	list := r.Trailer().Key("Nodes")
	nodes := make([]node, len(tree.refs))
	for i := range nodes {
		nodes[i].ref = tree.refs[i]
		nodes[i].value = safely(func() parser.Value { return list.Index(i) })
		if p := tree.parents[i]; p >= 0 {
			nodes[i].parent = &nodes[p]
		}
		if tree.isPage[i] {
			f.pages = append(f.pages, nodes[i])
		}
	}
	return nil
}
