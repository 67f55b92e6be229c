package mlflow_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing/fstest"

	"github.com/docent-ml/docent/internal/mlflowtest"
	"github.com/docent-ml/docent/registry"
	"github.com/docent-ml/docent/registry/mlflow"
)

// From a run to the files that a server loads.
func Example() {
	server := httptest.NewServer(mlflowtest.NewFake()) // "mlflow server", elsewhere
	defer server.Close()
	tmp, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := train(context.Background(), server.URL, tmp); err != nil {
		log.Fatal(err)
	}
	// Output:
	// handbook version 1 is READY
	// models:/handbook/Production is version 1, loss 1.25
	// models:/handbook@production is version 1, loss 1.25
	// MLmodel config.json
}

func train(ctx context.Context, url, tmp string) error {
	reg, err := mlflow.New(mlflow.Options{URL: url, BufferDir: filepath.Join(tmp, "metrics")})
	if err != nil {
		return err
	}
	defer reg.Close()
	if err := reg.Ping(ctx); err != nil {
		return err
	}

	run, err := reg.StartRun(ctx, "course-guides", "rank 16", nil)
	if err != nil {
		return err
	}
	defer run.End(context.WithoutCancel(ctx), registry.Failed) // no effect once the run has ended as it should
	for step, loss := range []float64{2.5, 1.25} {
		if err := run.LogMetrics(ctx, int64(step), map[string]float64{"loss": loss}); err != nil {
			return err
		}
	}
	model := fstest.MapFS{"config.json": {Data: []byte(`{"model_type":"llama"}`)}} // os.DirFS("model_out")
	src, err := run.LogModel(ctx, "model", model)
	if err != nil {
		return err
	}
	v, err := reg.Register(ctx, "handbook", src, nil)
	if err != nil {
		return err
	}
	if v, err = registry.WaitReady(ctx, reg, v); err != nil {
		return err
	}
	fmt.Println(v.Name, "version", v.Number, "is", v.Status)
	if _, err := reg.Promote(ctx, v.Name, v.Number, registry.PromoteOptions{}); err != nil {
		return err
	}
	if err := run.End(ctx, registry.Finished); err != nil {
		return err
	}
	return serve(ctx, reg, filepath.Join(tmp, "cache"))
}

func serve(ctx context.Context, reg registry.Registry, cache string) error {
	var v registry.Version
	for _, uri := range []string{"models:/handbook/Production", "models:/handbook@production"} {
		u, err := registry.ParseURI(uri)
		if err != nil {
			return err
		}
		if v, err = reg.Resolve(ctx, u); err != nil {
			return err
		}
		run, err := reg.GetRun(ctx, v.RunID)
		if err != nil {
			return err
		}
		fmt.Printf("%s is version %d, loss %v\n", uri, v.Number, run.Metrics["loss"].Value)
	}
	dir := filepath.Join(cache, v.Name, fmt.Sprint(v.Number))
	if err := reg.Download(ctx, v, dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fmt.Println(entries[0].Name(), entries[1].Name())
	return nil
}
