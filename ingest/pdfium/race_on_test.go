//go:build race

package pdfium

// go-pdfium's Kill is there to be called from another goroutine while a call runs, and writes what calls read when they
// begin. The race detector sees that; the interpreter's own check of its context is what ends the call.
const underRace = true
