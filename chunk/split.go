package chunk

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// Split cuts every document of the sections into chunks, in the order of the sections. It holds one document at a time.
//
// Errors of the sections are passed on in their place and do not end the chunks: if such an error ends the sections, it is
// also the last element here. Sections of one source that do not follow one another are an error, and the last element.
// Documents without text give no chunk. The result can be ranged again if the sections can.
func (s *Splitter) Split(sections iter.Seq2[Section, error]) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		var (
			document []Section
			held     []error // errors met since the last section: the document may still go on after them
			done     = map[string]bool{}
		)
		report := func() bool {
			for _, err := range held {
				if !yield(Chunk{}, err) {
					return false
				}
			}
			held = nil
			return true
		}
		flush := func() bool {
			if len(document) == 0 {
				return true
			}
			for _, c := range s.chunks(s.Document(document)) {
				if !yield(c, nil) {
					return false
				}
			}
			done[document[0].Source] = true
			document = document[:0]
			return true
		}
		for section, err := range sections {
			if err != nil {
				held = append(held, err)
				continue
			}
			if len(document) > 0 && section.Source != document[0].Source && !flush() {
				return
			}
			if !report() {
				return
			}
			if done[section.Source] {
				yield(Chunk{}, fmt.Errorf("chunk: split: page %d of %q comes after other documents: give the sections of a source together",
					section.Page, section.Source))
				return
			}
			document = append(document, section)
		}
		_ = flush() && report()
	}
}

func (s *Splitter) chunks(d Document) []Chunk {
	lines := readStructure(d.Text)
	spans := s.spans(d.Text, lines)
	chunks := make([]Chunk, len(spans))
	for i, span := range spans {
		text := lines.front(d.Text, span.Start, s.o) + d.Text[span.Start:span.End]
		chunks[i] = Chunk{
			ID: d.Source + "#" + strconv.Itoa(i), Source: d.Source, Text: text, Index: i,
			FirstPage: d.PageAt(span.Start), LastPage: d.PageAt(span.End - 1),
			Start: span.Start, End: span.End, Size: s.o.Measure(text), Headings: lines.above(d.Text, span.Start),
		}
	}
	return chunks
}

// front is what stands in front of the text from start on: the headings above it, if the options ask for them, and the head
// of the table in which it begins, if that takes no more than half of Size. With headings it takes a third at most; they give way
// first, from the highest on.
func (s structure) front(text string, start int, o Options) string {
	if len(s) == 0 {
		return ""
	}
	head := s[s.at(start)].head
	if head != "" {
		head += "\n"
	}
	if 2*o.Measure(head) > o.Size {
		head = ""
	}
	if o.Headings {
		for titles := s.above(text, start); len(titles) > 0; titles = titles[1:] {
			if front := strings.Join(titles, "\n") + "\n\n" + head; 3*o.Measure(front) <= o.Size {
				return front
			}
		}
	}
	return head
}
