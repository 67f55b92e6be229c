// Package docent is a library, and this page its map: it makes a language model out of an organisation's own documents
// and answers questions with it over an OpenAI-style API, inside a Go program. The numbers of the model and of the
// training are those that Hugging Face's transformers and PEFT give.
//
// Each step is a package and works without the others:
//
//	ingest         a folder of PDFs, text and Markdown to text, page by page
//	chunk          text to overlapping passages
//	dataset        passages, questions and answers to rows of training data
//	lora           rows to a fine-tuned model, as a PEFT adapter or a Hugging Face folder
//	registry       where runs are recorded and versions of models promoted; registry/local keeps it in plain files
//	serve          models to an http.Handler
//	serve/engine   a folder, a GGUF file or a Hub reference to a model that generates
//	openai         the types of that API
//
// A host program mounts the handler beside its own routes:
//
//	func mount(mux *http.ServeMux, reg registry.Registry, device compute.Backend) (*serve.Handler, error) {
//		load := func(ctx context.Context, name string) (serve.Model, error) { // where registry and engine meet
//			v, err := reg.Resolve(ctx, registry.URI{Name: name, Stage: registry.Production})
//			if err != nil {
//				return nil, err
//			}
//			dir := filepath.Join("models", name, strconv.Itoa(v.Number))
//			if err := reg.Download(ctx, v, dir); err != nil {
//				return nil, err
//			}
//			return engine.Load(ctx, "dir:"+dir, engine.Options{Backend: device})
//		}
//		pool, err := serve.NewPool(load, serve.PoolOptions{Local: []serve.Entry{{ID: "handbook"}}})
//		if err != nil {
//			return nil, err
//		}
//		h, err := serve.NewHandler(pool, serve.HandlerOptions{})
//		if err != nil {
//			return nil, err
//		}
//		mux.Handle("/ai/", http.StripPrefix("/ai", h)) // clients use https://host/ai/v1
//		return h, nil
//	}
//
// Without a device docent's own code for CPUs computes. A device is opened by the program, with compute.NewWithConfig of
// gomlx's compute module, as "xla:…" after importing go-xla, which gopjrt was merged into, for XLA on GPUs and CPUs. The
// programs in examples do that, and read settings; the library reads no flags and no environment, prints nothing, and
// keeps no global state.
//
// This package itself has no code.
package docent
