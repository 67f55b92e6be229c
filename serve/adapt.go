package serve

import (
	"context"
	"errors"
)

// scorer is a model that reads its prompts and writes nothing: max_tokens 0, to have a text scored.
type scorer struct{ Model }

func (s scorer) Generate(ctx context.Context, r Request) deltaSeq {
	return func(yield func(Delta, error) bool) {
		for d, err := range s.Model.Generate(ctx, r) {
			if err == nil && d.Start != nil {
				start := *d.Start
				start.MaxTokens = 0
				d.Start = &start
			}
			if !yield(d, err) || err != nil {
				return
			}
			break // which frees what the prompt holds
		}
		for i := range max(r.N, 1) {
			if !yield(Delta{Choice: i, Finish: FinishLength}, nil) {
				return
			}
		}
	}
}

// shortener is a model that leaves out the oldest turns of a conversation that is too long for it.
type shortener struct{ Model }

func (s shortener) Generate(ctx context.Context, r Request) deltaSeq {
	return func(yield func(Delta, error) bool) {
		dropped := 0
		for again := true; again; {
			again = false
			for d, err := range s.Model.Generate(ctx, r) {
				if long, ok := errors.AsType[*ContextLengthError](err); ok {
					if rest := shorten(r.Messages, long, r.MaxTokens); len(rest) < len(r.Messages) {
						dropped += len(r.Messages) - len(rest)
						r.Messages, again = rest, true
						break
					}
				}
				if d.Start != nil && dropped > 0 {
					start := *d.Start
					start.DroppedMessages += dropped
					d.Start = &start
				}
				if !yield(d, err) || err != nil {
					return
				}
			}
		}
	}
}

// shorten leaves out turns from the front, at least one, until the rest is likely to leave room for an answer. A turn begins
// with a message of the user; the last one stays, and so do system messages.
func shorten(messages []Message, long *ContextLengthError, answer int) []Message {
	size, last := 0, -1
	for i, m := range messages {
		size += m.size()
		if m.Role == "user" {
			last = i
		}
	}
	room := long.ContextLength - min(answer, long.ContextLength/4)
	excess := float64(size) * float64(long.PromptTokens-room) / float64(max(long.PromptTokens, 1))
	rest := make([]Message, 0, len(messages))
	gone, dropping := 0.0, true
	for i, m := range messages {
		if m.Role == "user" && (i == last || gone > 0 && gone >= excess) {
			dropping = false
		}
		if dropping && i < last && m.Role != "system" {
			gone += float64(max(m.size(), 1))
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}

// size is about as many bytes as the message adds to the prompt.
func (m Message) size() int {
	n := len(m.Content)
	for _, c := range m.Calls {
		n += len(c.Name) + len(c.Arguments)
	}
	return n
}
