// Package docent is a library, and this page its map: it makes a language model out of an organisation's own documents
// and answers questions with it over an OpenAI-style API, inside a Go program. The numbers of the model and of the
// training are those that Hugging Face's transformers and PEFT give.
//
// Each step is a package and works without the others:
//
//	ingest         a folder of documents to text, page by page; ingest/formats reads what people keep besides
//	chunk          text to overlapping passages
//	dataset        passages, questions and answers to rows of training data; dataset/questions asks the documents,
//	               dataset/recipe makes rows that teach
//	lora           rows to a fine-tuned model, as a PEFT adapter, a Hugging Face folder or a GGUF file; lora/evaluate asks it
//	registry       where runs are recorded and versions of models promoted; registry/local keeps it in plain files,
//	               registry/gate decides what may be promoted
//	serve          models to an http.Handler; serve/engine is what generates
//	openai         the types of that API
//
// The package's Example goes from documents to answers.
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
// What is stable: the files that are written (adapters, model folders, JSON Lines, the registry's folder) are read by later
// versions, and the HTTP API keeps to OpenAI's. The Go API may change before version 1, most likely in dataset/recipe,
// dataset/questions, lora/evaluate and registry/gate, which are new; registry.Registry may gain methods, so embed an implementation
// rather than writing one whole. Rows, texts and numbers may change with every version that says so in CHANGELOG.md.
//
// This package itself has no code.
package docent
