package config

import (
	"fmt"
	"io"
	"log/slog"
)

// mask stands for a secret wherever values are shown.
const mask = "[hidden]"

// Secret is a value that no print, log or marshalling shows; only [Secret.Reveal] does. The zero value means "not set".
type Secret struct{ value string }

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value itself: hand it to the client that needs it, nowhere else.
func (s Secret) Reveal() string { return s.value }

// String returns a mask, or "" when the secret is not set.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return mask
}

// Format prints the mask for every verb: with String alone, %d or %#v would show the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
