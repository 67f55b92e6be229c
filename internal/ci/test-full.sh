#!/usr/bin/env bash
# make test-full: what "go test ./..." leaves out because it takes minutes, a C compiler, or downloads. Parts whose
# needs cannot be met are skipped and named at the end; a part that fails does not stop the others.
#
# DOCENT_GOLDEN_SMOLLM2 names a folder of reference values for SmolLM2; without it that comparison is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fetch=internal/ci/fetch.sh
summary=() passed=0 failed=0 skipped=0

part() { # NAME COMMAND...
  local name=$1 start=$SECONDS verdict=ok
  shift
  printf '\n=== %s\n' "$name"
  if "$@"; then passed=$((passed + 1)); else verdict=FAILED failed=$((failed + 1)); fi
  summary+=("$(printf '%-8s%5d s  %s' "$verdict" $((SECONDS - start)) "$name")")
}

skip() { # NAME REASON
  skipped=$((skipped + 1))
  printf '\n=== %s\nskipped: %s\n' "$1" "$2"
  summary+=("$(printf 'skipped          %s: %s' "$1" "$2")")
}

start=$SECONDS
xla=$($fetch xla) || xla=
smollm2=$($fetch smollm2) || smollm2=
python=$($fetch python) || python=
node=$($fetch node) || node=
clients=$($fetch clients) || clients=
goclients=$($fetch goclients) || goclients=
schemathesis=$($fetch schemathesis) || schemathesis=
llamacpp=$($fetch llamacpp) || llamacpp=
compose=$($fetch compose) || compose=
linter=$($fetch linter) || linter=
bochs=$($fetch bochs) || bochs=
actionlint=$($fetch actionlint) || actionlint=
kubeschemas=$($fetch kubeschemas) || kubeschemas=
qemu=$($fetch qemu) || qemu=
summary+=("$(printf 'ok      %5d s  downloads' $((SECONDS - start)))")
cgo=$(go env CGO_ENABLED)
export GOMLX_NO_AUTO_INSTALL=1 # gomlx must not fetch plugins of its own
export TQDM_DISABLE=1          # Python's progress bars

vet_platforms() {
  local platform
  for platform in linux/amd64 linux/arm64 darwin/arm64 windows/amd64; do
    CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go vet ./... || return
  done
}
part "go vet without cgo for Linux, Linux on ARM, macOS and Windows" vet_platforms

lint() {
  local module
  for module in . examples/beam-ingest examples/demo/ask; do
    (cd "$module" && "$linter" run) || return
  done
}
if [[ -n $linter ]]; then part "linter" lint; else skip "linter" "it could not be compiled"; fi

if [[ -n $actionlint ]]; then
  part "GitHub's workflow, by actionlint" "$actionlint"
else
  skip "GitHub's workflow, by actionlint" "it could not be compiled"
fi
if [[ -n $kubeschemas ]]; then
  part "Kubernetes' manifests, by its schemas" env DOCENT_KUBERNETES="$kubeschemas" go test -count=1 -run TestDeployKubernetes ./internal/ci
else
  skip "Kubernetes' manifests, by its schemas" "they could not be fetched"
fi

beam() { (cd examples/beam-ingest && go vet ./... && go test ./...); }
part "documents on Apache Beam, a module of its own" beam

openai_go() {
  (cd examples/demo/ask && go vet ./... && go test ./...) &&
    DOCENT_CLIENTS=1 go test -count=1 -run TestDemo ./examples/demo
}
part "OpenAI's Go client" openai_go

if [[ $cgo == 1 ]]; then
  part "race detector" internal/ci/race.sh -timeout 30m
else
  skip "race detector" "it needs a C compiler"
fi

kernels='^Test(Panels|Kernels|Extremes|Outer|Products|Blocks)$'

emulated() { # the kernels that this processor may lack
  local out
  out=$(mktemp -d) &&
    CGO_ENABLED=0 GOEXPERIMENT=norandomizedheapbase64 go test -vet=off -c -o "$out/cpu.test" ./internal/lm/cpu &&
    DOCENT_EMULATED=avx512 "$bochs" internal/ci/emulate.py "$out/cpu.test" -test.v -test.run "$kernels/^avx512$" &&
    DOCENT_EMULATED=avx512vnni "$bochs" internal/ci/emulate.py "$out/cpu.test" -test.v -test.run "^Test(Kernels|Blocks)$/^avx512vnni$" &&
    DOCENT_EMULATED=amx "$bochs" internal/ci/emulate.py "$out/cpu.test" -test.v -test.run "^Test(Tiles|OuterHalves|Kernels|PromptInTiles)$/^amx$" &&
    rm -rf "$out"
}
if [[ -n $bochs ]]; then
  part "kernels in AVX-512, its VNNI and AMX, on the processor here or on that of Bochs" emulated
else
  skip "kernels in AVX-512 and AMX on the processor of Bochs" "it could not be installed"
fi

neon() { # with SDOT and without
  local out processor
  out=$(mktemp -d) && CGO_ENABLED=0 GOARCH=arm64 go test -vet=off -c -o "$out/cpu.test" ./internal/lm/cpu || return
  for processor in max cortex-a72; do
    DOCENT_EMULATED=neon "$qemu" -cpu "$processor" "$out/cpu.test" -test.v -test.run "$kernels/^neon$" || return
  done
  rm -rf "$out"
}
if [[ -n $qemu ]]; then
  part "kernels in NEON, on two processors of QEMU" neon
else
  skip "kernels in NEON on the processors of QEMU" "it could not be installed"
fi

golden() { # BACKEND TESTS
  env DOCENT_BACKEND="$1" DOCENT_SMOLLM2="$smollm2" go test -timeout 60m -run "$2" ./... | sed '/no test/d'
}
if [[ -n $xla && $cgo == 1 ]]; then
  part "reference values on XLA" golden "xla:$xla" Golden
  part "make test-gpu, rehearsed on XLA's CPU device" env REHEARSE=1 DOCENT_PYTHON="${python:-python3}" internal/ci/test-gpu.sh
else
  skip "reference values on XLA, and make test-gpu" "its plugin could not be fetched, or there is no C compiler"
fi
export GOEXPERIMENT=simd # from here on: the Go backend is several times faster with it
if [[ -n ${DOCENT_GOLDEN_SMOLLM2:-} && -n $smollm2 ]]; then
  part "SmolLM2's reference values on Go" golden go GoldenSmolLM2
else
  skip "SmolLM2's reference values, on XLA too" "DOCENT_GOLDEN_SMOLLM2 is not set, or the model could not be fetched"
fi

other_shapes() {
  local out
  out=$(mktemp -d) &&
    "$python" internal/ci/golden.py "$out" 1 >/dev/null &&
    DOCENT_GOLDEN_TINY=$out golden go GoldenTiny &&
    rm -rf "$out"
}
python_checks() {
  env DOCENT_PYTHON="$python" DOCENT_NODE="$node" DOCENT_SMOLLM2="$smollm2" \
    go test -timeout 30m -v -run 'Python|JavaScript|PEFT' -skip 'Clients$' ./internal/hub ./internal/ci
}
mlflow_checks() {
  env DOCENT_PYTHON="$python" go test -timeout 60m -v -run TestServer ./registry/mlflow ./examples/trainer ./examples/server ./examples/registry
}
if [[ -n $python ]]; then
  part "a real MLflow server, and its Python client" mlflow_checks
  part "reference values of other shapes, made now" other_shapes
  part "PEFT, transformers, huggingface_hub, OpenAI's clients" python_checks
else
  skip "a real MLflow server, and its Python client" "the Python packages could not be installed"
  skip "PEFT, transformers, huggingface_hub, OpenAI's clients" "the Python packages could not be installed"
fi

for kind in Python JavaScript Go; do
  case $kind in
  Python) needs=DOCENT_PYTHON_CLIENTS=$clients ;;
  JavaScript) needs=DOCENT_NODE=$node ;;
  Go) needs=DOCENT_GO_CLIENTS=$goclients ;;
  esac
  name="the $kind clients and frameworks that people use"
  if [[ -n ${needs#*=} ]]; then
    part "$name" env "$needs" go test -count=1 -timeout 10m -v -run "Test${kind}Clients$" ./internal/ci
  else
    skip "$name" "they could not be installed"
  fi
done

if [[ -n $llamacpp && -n $smollm2 ]]; then
  part "llama.cpp" env DOCENT_LLAMACPP="$llamacpp" DOCENT_SMOLLM2="$smollm2" go test -v -timeout 30m -run LlamaCPP ./internal/ci
else
  skip "llama.cpp" "it could not be installed, or the model could not be fetched"
fi

if [[ -n $node ]] && command -v chromium >/dev/null; then
  part "the page in Chromium, with axe-core" env DOCENT_AXE="$(dirname "$node")/node_modules/axe-core/axe.min.js" \
    go test -count=1 -v -run TestChatPage ./examples/server
else
  skip "the page in Chromium, with axe-core" "there is no chromium, or axe-core could not be installed"
fi

if [[ -n $schemathesis ]]; then
  part "schemathesis" env DOCENT_SCHEMATHESIS="$schemathesis" go test -v -timeout 30m -run Schemathesis ./internal/ci
else
  skip "schemathesis" "it could not be installed"
fi

if [[ -n $clients ]]; then
  part "a model's signature, by model-signing" env DOCENT_PYTHON_CLIENTS="$clients" go test -count=1 -run TestSignature ./examples/registry
else
  skip "a model's signature, by model-signing" "the package could not be installed"
fi

containers() {
  local why
  if [[ -z $python || -z $compose ]]; then
    skip "the stack of compose.yaml, in containers" "the Python packages could not be installed"
    return
  fi
  why=$(internal/ci/containers.sh --can 2>&1) || {
    skip "the stack of compose.yaml, in containers" "$why"
    return
  }
  part "the stack of compose.yaml, in containers" internal/ci/containers.sh "$python" "$compose"
}
containers

part "the tutorial, word for word" env DOCENT_TUTORIAL=1 go test -timeout 20m -run Tutorial ./internal/ci

part "soak, 45 s of an engine and of a handler" env DOCENT_SOAK=45s go test -timeout 10m -v -run TestSoak ./serve

part "fuzzing, 300 inputs a target" env FUZZTIME=300x internal/ci/fuzz.sh

printf '\nmake test-full, %d minutes:\n' $((SECONDS / 60))
printf '  %s\n' "${summary[@]}"
echo "parts: $passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
