package weights_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/docent-ml/docent/internal/lm/weights"
)

// A checkpoint is written tensor by tensor and opened again.
func Example() {
	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	tensors := []weights.Tensor{
		{Name: "lm_head.weight", Shape: []int{2, 3}, DType: weights.BF16},
		{Name: "model.norm.weight", Shape: []int{3}, DType: weights.F32},
	}
	fill := func(name string, dst []float32) error {
		for i := range dst {
			dst[i] = float32(i) / 2
		}
		return nil
	}
	if err := weights.Write(context.Background(), dir, tensors, fill, weights.WriteOptions{}); err != nil {
		log.Fatal(err)
	}

	src, err := weights.OpenFolder(os.DirFS(dir))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	for _, t := range src.Tensors() {
		values := make([]float32, t.Size())
		if err := src.Read(t.Name, values); err != nil {
			log.Fatal(err)
		}
		fmt.Println(t.Name, t.Shape, t.DType, values)
	}
	// Output:
	// lm_head.weight [2 3] BF16 [0 0.5 1 1.5 2 2.5]
	// model.norm.weight [3] F32 [0 0.5 1]
}

// All differences between a checkpoint and what a model needs come in one error.
func ExampleCheck() {
	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tensors := []weights.Tensor{{Name: "a", Shape: []int{2}, DType: weights.F32}, {Name: "c", Shape: []int{1}, DType: weights.F32}}
	zeros := func(_ string, dst []float32) error { clear(dst); return nil }
	if err := weights.Write(context.Background(), dir, tensors, zeros, weights.WriteOptions{}); err != nil {
		log.Fatal(err)
	}
	src, err := weights.OpenFolder(os.DirFS(dir))
	if err != nil {
		log.Fatal(err)
	}
	defer src.Close()
	fmt.Println(weights.Check(map[string][]int{"a": {3}, "b": {1}}, src))
	// Output:
	// the checkpoint does not match its configuration; 1 missing: b; 1 unused: c; 1 of another shape: a [2] instead of [3]
}
