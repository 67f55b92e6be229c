// Package chunk cuts the text of documents into overlapping passages.
//
// A [Splitter] takes the pages of documents ([Section]), joins the pages of each document into one normalised text
// ([Document]) and windows it: every [Chunk] holds at most Options.Size characters (or tokens, with a Measure), shares up to
// Options.Overlap of them with the chunk before, and ends at the end of a paragraph, else of a sentence, a line or a word.
//
//	s, err := chunk.New(chunk.DefaultOptions()) // 1200 characters, 200 of them shared
//	if err != nil {
//		return err
//	}
//	for c, err := range s.Split(sections) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(c.Source, c.FirstPage, c.LastPage, c.Text)
//	}
//
// The package sees text alone: headings are those of Markdown, those with numbers, and short lines that stand alone; tables
// are rows with tabs, or Markdown's. It drops no repeated page headers and does not recognise languages. A Splitter keeps no state between calls and is safe for concurrent use if its
// Measure is; a sequence is ranged by one goroutine at a time.
package chunk

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Section is a piece of a document's text: usually one page.
type Section struct {
	Source string // names the document, usually its path; sections of one source follow one another
	Page   int    // counts from 1; 0 when the document has no pages
	Text   string
}

// Chunk is one passage of a document. Its JSON form is a line of chunks.jsonl.
type Chunk struct {
	ID        string `json:"id"`     // Source, "#" and Index
	Source    string `json:"source"` // as in Section
	Text      string `json:"text"`   // Document.Text[Start:End], behind what Options put in front: never empty, no white space at its ends
	Index     int    `json:"index"`  // counts the chunks of a source from 0
	FirstPage int    `json:"first_page"`
	LastPage  int    `json:"last_page"`
	Start     int    `json:"start"` // byte offsets into Document.Text
	End       int    `json:"end"`
	Size      int    `json:"size"` // of Text, in the unit of Options.Measure

	Headings []string `json:"headings,omitempty"` // above the passage, the highest first; one that it begins with is not among them
}

// Options says how large chunks are.
type Options struct {
	// Size is the most that a chunk measures. It has no default: a zero that came from a forgotten or misspelt setting
	// would otherwise cut a whole corpus in another way than its owner believes, and nobody would see it.
	Size int
	// Overlap is the most that a chunk shares with the one before; 0 is none. It must be below Size. It is shortened to
	// begin at a sentence or word, and given up where the next word would not fit behind it.
	Overlap int
	// Measure gives the size of a text; nil counts characters (Unicode code points). Pass a tokenizer's count to cut by
	// tokens. It is called some twenty times for each chunk. A longer text should not measure less; where one does, chunks
	// may come out smaller than possible, but never larger than Size.
	Measure func(text string) int
	// Headings puts the headings above a passage in front of its text, one a line and then a blank line, as far as they take
	// no more than a third of Size. The head of a table stands in front of each part of it in any case.
	Headings bool
	// Raw takes the text as it is, without normalising it (see Normalize): for code, or text that was cleaned before.
	Raw bool
}

// DefaultOptions returns 1200 characters with an overlap of 200.
func DefaultOptions() Options { return Options{Size: 1200, Overlap: 200} }

// ErrOptions is wrapped by every error about Options.
var ErrOptions = errors.New("chunk: bad options")

// Validate reports every fault of the options at once, each wrapping ErrOptions.
func (o Options) Validate() error {
	var faults []error
	if o.Size < 1 {
		faults = append(faults, fmt.Errorf("%w: Size is %d, must be at least 1 (DefaultOptions has 1200)", ErrOptions, o.Size))
	}
	if o.Overlap < 0 {
		faults = append(faults, fmt.Errorf("%w: Overlap is %d, must be 0 or more", ErrOptions, o.Overlap))
	}
	if o.Size > 0 && o.Overlap >= o.Size {
		faults = append(faults, fmt.Errorf("%w: Overlap is %d, must be below Size, which is %d", ErrOptions, o.Overlap, o.Size))
	}
	return errors.Join(faults...)
}

// Splitter cuts documents into chunks. Make one with New.
type Splitter struct{ o Options }

// New returns a Splitter, or the faults of the options.
func New(o Options) (*Splitter, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Measure == nil {
		o.Measure = utf8.RuneCountInString
	}
	return &Splitter{o}, nil
}
