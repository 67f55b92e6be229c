// Command randommodel writes a Llama of random weights for measurements, without a download: as a Hugging Face folder in bfloat16,
// or a GGUF file.
//
//	go run ./examples/internal/randommodel -shape 1b FOLDER
//	go run ./examples/internal/randommodel -shape 1b -type Q4_0 FILE.gguf
//	go run ./examples/internal/randommodel -shape 135m -type Q8_0 -adapters 8 FILE.gguf
//
// The last writes adapters of rank 16 of all projections too: the folders FILE-0 to FILE-7, and FILE-0.gguf to FILE-7.gguf.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/docent-ml/docent/internal/lm"
	"github.com/docent-ml/docent/internal/lm/model"
	"github.com/docent-ml/docent/internal/lm/weights"
	"github.com/docent-ml/docent/internal/testmodel"
)

func main() {
	s := testmodel.Shape{}
	name := flag.String("shape", "", "a known shape (135m, 1b, 3b, 8b) that the other flags change")
	kind := flag.String("type", "Q4_0", "type of the weights of a GGUF file: F32, F16, BF16, Q8_0 or Q4_0")
	seed := flag.Uint64("seed", 1, "of the random numbers")
	adapters := flag.Int("adapters", 0, "so many adapters beside a GGUF file")
	fields := map[string]*int{
		"vocab": &s.Vocab, "hidden": &s.Hidden, "intermediate": &s.Intermediate, "layers": &s.Layers, "heads": &s.Heads, "kv-heads": &s.KVHeads, "context": &s.Context,
	}
	given := map[string]*int{}
	for name := range fields {
		given[name] = flag.Int(name, 0, "0 = that of the shape")
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if *name != "" {
		c, err := testmodel.Known(*name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "randommodel:", err)
			os.Exit(2)
		}
		s = testmodel.ShapeOf(c)
	}
	for name, v := range given {
		if *v != 0 {
			*fields[name] = *v
		}
	}
	if err := write(context.Background(), s, flag.Arg(0), weights.DType(*kind), *seed, *adapters); err != nil {
		fmt.Fprintln(os.Stderr, "randommodel:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, s testmodel.Shape, out string, kind weights.DType, seed uint64, adapters int) error {
	if !strings.HasSuffix(out, ".gguf") {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return err
		}
		return s.WriteTo(ctx, out, seed)
	}
	dir, err := os.MkdirTemp("", "randommodel-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := s.WriteTo(ctx, dir, seed); err != nil {
		return err
	}
	m, err := model.Open(ctx, "dir:"+dir, model.Options{Keep: func(lm.Param, func([]float32) error) error { return nil }})
	if err != nil {
		return err
	}
	defer m.Close()
	for i := range adapters {
		a := testmodel.AdapterOf(m.Config, "gguf:"+out, uint64(i), 16, 0.01)
		folder := fmt.Sprintf("%s-%d", strings.TrimSuffix(out, ".gguf"), i)
		if err := errors.Join(a.Save(ctx, folder), m.ExportGGUFAdapter(ctx, a, folder+".gguf")); err != nil {
			return err
		}
	}
	return m.ExportGGUF(ctx, nil, out, kind)
}
