package ingest

import (
	"context"
	"os"
	"testing"
)

func BenchmarkWalk(b *testing.B) {
	for name, o := range map[string]Options{
		"in-process/workers=1": {Workers: 1},
		"in-process/workers=2": {Workers: 2},
		"isolated/workers=2":   {Workers: 2, Isolated: &Isolated{}},
	} {
		b.Run(name, func(b *testing.B) {
			pages := 0
			for b.Loop() {
				for doc := range Walk(context.Background(), os.DirFS("testdata/guides"), o) {
					pages += len(doc.Pages)
				}
			}
			b.ReportMetric(float64(pages)/b.Elapsed().Seconds(), "pages/s")
		})
	}
}
