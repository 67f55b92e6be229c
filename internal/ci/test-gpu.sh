#!/usr/bin/env bash
# make test-gpu: reference values and benchmarks on an NVIDIA GPU. DOCENT_XLA_CUDA names XLA's CUDA plugin if it is not
# where gomlx looks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if ! compgen -G '/dev/nvidia[0-9]*' >/dev/null && [[ ! -e /dev/dxg ]]; then
  echo "no NVIDIA GPU is here: nothing was tested"
  exit 0
fi
export DOCENT_BACKEND=xla:${DOCENT_XLA_CUDA:-cuda},tf32=false GOMLX_NO_AUTO_INSTALL=1 # f32 is f32, not TF32
if [[ -n ${DOCENT_GOLDEN_SMOLLM2:-} && -z ${DOCENT_SMOLLM2:-} ]] && model=$(internal/ci/fetch.sh smollm2); then
  export DOCENT_SMOLLM2=$model
fi
go test -timeout 60m -v -run Golden ./...
internal/ci/bench.sh
