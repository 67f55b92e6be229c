#!/usr/bin/env bash
# Runs every fuzz target of the module for $FUZZTIME (60s if not set; 300x is 300 inputs), and stops at the first that fails: Go then leaves
# the input in testdata/fuzz of its package, to be committed with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

targets=$(go test -list '^Fuzz' ./... |
  awk '/^Fuzz/ {name[n++] = $1} /^ok/ {for (i = 0; i < n; i++) print $2, name[i]; n = 0}')
while read -r package target; do
  echo "== $package $target"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" "$package"
done <<<"$targets"
echo "$(wc -l <<<"$targets") fuzz targets passed"
