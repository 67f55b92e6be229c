package zipxml

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/unicode"
)

// Node is an element with all that is in it. Names are without their namespace, of which office formats have two for
// the same elements. A piece of text is a node without a name. Of what a part has in several renderings, one is there.
type Node struct {
	Name  string
	Text  string
	Attrs []xml.Attr
	Kids  []*Node
}

// Attr returns the value of an attribute, or "".
func (n *Node) Attr(name string) string {
	v, _ := n.Lookup(name)
	return v
}

// Lookup tells an empty attribute from none.
func (n *Node) Lookup(name string) (string, bool) {
	if n != nil {
		for _, a := range n.Attrs {
			if a.Name.Local == name && a.Name.Space != "xmlns" {
				return a.Value, true
			}
		}
	}
	return "", false
}

// Kid returns the element that a path of names leads to, the first of each name, or nil. Methods of nil find nothing.
func (n *Node) Kid(names ...string) *Node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		var next *Node
		for _, k := range n.Kids {
			if k.Name == name {
				next = k
				break
			}
		}
		n = next
	}
	return n
}

// All returns the elements of a name that stand anywhere inside, outermost first.
func (n *Node) All(name string) (found []*Node) {
	if n == nil {
		return nil
	}
	for _, k := range n.Kids {
		if k.Name == name {
			found = append(found, k)
		} else {
			found = append(found, k.All(name)...)
		}
	}
	return found
}

// String is the text of the node and all that is in it.
func (n *Node) String() string {
	if n == nil {
		return ""
	}
	if len(n.Kids) == 0 {
		return n.Text
	}
	var b strings.Builder
	for _, k := range n.Kids {
		b.WriteString(k.String())
	}
	return b.String()
}

const checkEvery = 1 << 12 // tokens between looks at the context

// Tree reads a part whole and returns its root.
func (a *Archive) Tree(ctx context.Context, name string) (*Node, error) {
	var root *Node
	err := a.Walk(ctx, name, 0, func(n *Node) error {
		if root == nil {
			root = n
		}
		return nil
	})
	if err == nil && root == nil {
		err = fmt.Errorf("%w: %s holds no element", ErrMalformed, name)
	}
	return root, err
}

// Walk reads a part and calls visit with each element that has depth elements around it, so that no more than one
// of them is held in memory.
func (a *Archive) Walk(ctx context.Context, name string, depth int, visit func(*Node) error) error {
	f, err := a.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	err = walk(ctx, f, depth, visit)
	switch {
	case f.over:
		return f.tooLarge()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
	return nil
}

func walk(ctx context.Context, r io.Reader, depth int, visit func(*Node) error) error {
	d := newDecoder(r)
	names := map[string]string{} // one copy of each name
	var open []*Node             // nil for those around what is visited
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t, err := d.RawToken() // element by element: what is not closed costs nothing
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(open) == MaxDepth {
				return fmt.Errorf("nests more than %d elements", MaxDepth)
			}
			var node *Node
			if len(open) >= depth {
				name, known := names[t.Name.Local]
				if !known {
					name = t.Name.Local
					names[name] = name
				}
				node = &Node{Name: name, Attrs: t.Attr}
				if len(open) > depth {
					above := open[len(open)-1]
					above.Kids = append(above.Kids, node)
				}
			}
			open = append(open, node)
		case xml.EndElement:
			if len(open) == 0 {
				return fmt.Errorf("closes more elements than it opens")
			}
			node := open[len(open)-1]
			open = open[:len(open)-1]
			shown := []*Node{node}
			if node != nil && node.Name == "AlternateContent" {
				shown = node.choice()
				if len(open) > depth {
					above := open[len(open)-1]
					above.Kids = append(above.Kids[:len(above.Kids)-1], shown...)
				}
			}
			for _, n := range shown {
				if len(open) != depth {
					break
				}
				if err := visit(n); err != nil {
					return err
				}
			}
		case xml.CharData:
			if len(open) > depth {
				above := open[len(open)-1]
				above.Kids = append(above.Kids, &Node{Text: string(t)})
			}
		}
	}
}

// choice takes the first rendering of alternative content that says anything, by its text or by what it shows.
func (n *Node) choice() []*Node {
	for _, k := range n.Kids {
		if k.Name == "Choice" && slices.ContainsFunc(k.Kids, (*Node).says) {
			return k.Kids
		}
	}
	if k := n.Kid("Fallback"); k != nil {
		return k.Kids
	}
	return nil
}

// says tells whether there is text, or the name of something drawn.
func (n *Node) says() bool {
	return n.Name == "docPr" || n.Name == "cNvPr" || strings.TrimSpace(n.Text) != "" || slices.ContainsFunc(n.Kids, (*Node).says)
}

// newDecoder reads XML in any encoding that it says, and in UTF-16 whatever it says.
func newDecoder(r io.Reader) *xml.Decoder {
	b := bufio.NewReader(r)
	head, _ := b.Peek(3)
	var source io.Reader = b
	switch {
	case bytes.HasPrefix(head, []byte{0xFF, 0xFE}), bytes.HasPrefix(head, []byte{0xFE, 0xFF}), bytes.HasPrefix(head, []byte{'<', 0}):
		source = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Reader(b)
	case bytes.HasPrefix(head, []byte{0, '<'}):
		source = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewDecoder().Reader(b)
	case string(head) == "\xEF\xBB\xBF":
		_, _ = b.Discard(3)
	}
	d := xml.NewDecoder(source)
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if source != io.Reader(b) || strings.HasPrefix(strings.ToLower(label), "utf-16") { // decoded already, or a lie
			return in, nil
		}
		return charset.NewReaderLabel(label, in)
	}
	return d
}
