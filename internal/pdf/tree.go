package pdf

// node is a page, or a node above it.
type node struct {
	dict   dict
	parent *node
}

// inherited looks for key on the page and above.
func (f *File) inherited(n *node, key string) any {
	for ; n != nil; n = n.parent {
		if v := f.index.get(n.dict[key]); v != nil {
			return v
		}
	}
	return nil
}

// walk visits each node of the page tree once, so neither loops nor wrong
// counts matter. When the tree leads nowhere, every page object of the file
// counts, in the order of their numbers.
func (f *File) walk(root dict) (pages []*node) {
	type visit struct {
		node   any
		parent *node
	}
	seen := map[int]bool{}
	stack := []visit{{root["Pages"], nil}}
	for len(stack) > 0 && len(pages) <= f.limits.Pages {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		r, ok := v.node.(ref)
		if !ok || seen[r.num] {
			continue
		}
		seen[r.num] = true
		n := &node{f.index.dict(r), v.parent}
		if kids, ok := f.index.get(n.dict["Kids"]).(array); ok {
			for i := len(kids) - 1; i >= 0; i-- {
				stack = append(stack, visit{kids[i], n})
			}
		} else if n.dict != nil && n.dict.name("Type") != "Pages" {
			pages = append(pages, n)
		}
	}
	if len(pages) > 0 {
		return pages
	}
	for _, num := range f.index.numbers() {
		if d := f.index.defs[num].dict; d.name("Type") == "Page" {
			pages = append(pages, &node{dict: d})
		}
	}
	return pages
}
