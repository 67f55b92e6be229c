#!/usr/bin/env bash
# Runs all tests with the race detector; arguments go to go test. It brings checkptr with it, which stops at the pointer
# arithmetic of gomlx's pure-Go matrix kernels: their module is compiled without it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec go test -race '-gcflags=github.com/gomlx/compute/...=-d=checkptr=0' "$@" ./...
