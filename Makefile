# What one types here. Nothing needs root or changes tracked files; what is downloaded goes to DOCENT_CACHE, which is
# ~/.cache/docent unless set.

GO       ?= go
FUZZTIME ?= 60s
BENCH    ?= .
SEED     ?= 1
ARGS     ?=

fetch := internal/ci/fetch.sh
cache  = $(or $(DOCENT_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/docent)

# The OpenAI client, which the demo and test-full compile, is so large that it takes a minute; without inlining and debug
# information it takes three fifths of that.
export GOFLAGS ?= '-gcflags=github.com/openai/openai-go/v3/...=-l -dwarf=false'

.PHONY: help test check test-full test-gpu fuzz bench bench-peers golden release demo demo-alone serve

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

test: ## all tests that need nothing but Go, without vet, which make check does
	$(GO) test -vet=off ./...

check: ## what to run before a commit: format, vet, linter, short tests with the race detector
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	$(GO) vet ./...
	@linter=$$($(fetch) linter) && "$$linter" run
	@internal/ci/race.sh -short

test-full: ## XLA, SmolLM2, PEFT, OpenAI's clients, race detector, fuzzing: about half an hour, 6 GB of downloads at first
	@internal/ci/test-full.sh

test-gpu: ## reference values, benchmarks and peers on an NVIDIA GPU, in eight minutes; REHEARSE=1 on XLA's CPU device
	@REHEARSE='$(REHEARSE)' internal/ci/test-gpu.sh

fuzz: ## every fuzz target for FUZZTIME=60s
	@FUZZTIME=$(FUZZTIME) internal/ci/fuzz.sh

bench: ## benchmarks that match BENCH=., on XLA's CPU device if it can be fetched and DOCENT_BACKEND is not set
	@BENCH='$(BENCH)' internal/ci/bench.sh

bench-peers: ## beside PEFT and llama.cpp, on random models, with ratios; ARGS=serve for fewer parts: see the script
	@internal/ci/bench-peers.sh $(ARGS)

golden: ## make new reference values with transformers and PEFT (SEED=1), and compare docent with them
	@python=$$($(fetch) python) && out=$(cache)/golden-$(SEED) && rm -rf "$$out" && \
	  TQDM_DISABLE=1 "$$python" internal/ci/golden.py "$$out" $(SEED) && \
	  echo "comparing; a case is adopted by copying its folder to internal/golden/testdata/tiny" && \
	  DOCENT_GOLDEN_TINY="$$out" $(GO) test -run GoldenTiny ./...

release: ## static programs of six platforms in dist/, built twice, with checksums and SBOMs; ARGS=linux/amd64 for fewer
	@internal/ci/release.sh $(ARGS)

demo: ## from PDFs to a tuned model that answers
	@internal/ci/run.sh demo $(ARGS)

demo-alone: ## the same from the PDFs alone, without hand-written questions: about half an hour
	@internal/ci/run.sh demo -alone $(ARGS)

serve: ## the server alone, on the demo's model if there is one
	@internal/ci/run.sh serve $(ARGS)
