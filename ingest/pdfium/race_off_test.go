//go:build !race

package pdfium

const underRace = false
