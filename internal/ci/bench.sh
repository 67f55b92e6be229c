#!/usr/bin/env bash
# Runs the benchmarks that match $BENCH, all if not set, with SmolLM2 on XLA's CPU device if these can be fetched and
# DOCENT_BENCH_MODEL and DOCENT_BACKEND do not say otherwise. Arguments go to go test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fetch=internal/ci/fetch.sh

if [[ -z ${DOCENT_BENCH_MODEL:-} ]] && model=$($fetch smollm2); then
  export DOCENT_BENCH_MODEL=$model
fi
if [[ -z ${DOCENT_BACKEND:-} ]] && plugin=$($fetch xla); then
  export DOCENT_BACKEND=xla:$plugin
fi
export GOMLX_NO_AUTO_INSTALL=1 GOEXPERIMENT=simd
if [[ ${DOCENT_BACKEND:-go} == *cpu* ]]; then # as the example programs do for themselves
  export GLIBC_TUNABLES=${GLIBC_TUNABLES-glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=100000000000:glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0}
fi
echo "backend ${DOCENT_BACKEND:-go}, model ${DOCENT_BENCH_MODEL:-none}"
exec go test -run '^$' -bench "${BENCH:-.}" -timeout 120m "$@" ./...
