#!/usr/bin/env bash
# make test-gpu: what an NVIDIA card does, in one call of at most eight minutes (gpu.py tells how). REHEARSE=1 runs the same with small
# shapes on XLA's CPU plugin. Arguments are gpu.py's, such as --minutes 20 on a busy machine.
#
#   test-gpu.sh build   compiles the tests for a machine without Go: they go to .gpu/tests.tar.gz, about 25 MB, which is taken
#                       from there where there is no Go
#
# The plugin is what DOCENT_XLA_CUDA names, or that of JAX where it is installed beside python3, and so are the peers. Figures go to
# ${OUT:-.gpu}/gpu.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
packages=(lora internal/lm/infer internal/lm/sample)

build() {
  local package
  mkdir -p .gpu/tests
  for package in "${packages[@]}"; do
    GOEXPERIMENT='' go test -vet=off -c -ldflags '-s -w' -o ".gpu/tests/${package//\//-}.test" "./$package" || return
  done
}

if [[ ${1:-} == build ]]; then
  build
  tar -C .gpu -czf .gpu/tests.tar.gz tests
  exit
fi
if [[ -n ${REHEARSE:-} ]]; then
  plugin=$(internal/ci/fetch.sh xla) || exit 0
  options=(--rehearse)
elif compgen -G '/dev/nvidia[0-9]*' >/dev/null || [[ -e /dev/dxg ]]; then
  plugin=${DOCENT_XLA_CUDA:-$(python3 -c 'import jax_plugins.xla_cuda13 as p; print(p.__path__[0] + "/xla_cuda_plugin.so")')}
  options=()
else
  echo "no NVIDIA GPU is here: nothing was tested; REHEARSE=1 runs the same on XLA's CPU plugin"
  exit 0
fi
if command -v go >/dev/null; then
  [[ $(go env CGO_ENABLED) == 1 ]] || { echo "XLA needs cgo: nothing was tested"; exit 0; }
  build
else
  tar -C .gpu -xzf .gpu/tests.tar.gz
fi
exec python3 internal/ci/gpu.py .gpu/tests --plugin "$plugin" --out "${OUT:-.gpu}/gpu.json" --peers "${DOCENT_PYTHON:-python3}" "${options[@]}" "$@"
