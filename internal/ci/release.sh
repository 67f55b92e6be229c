#!/usr/bin/env bash
# Builds the programs, static, for Linux, macOS and Windows on amd64 and arm64, into dist/: each twice, which must come
# out equal; SHA256SUMS; and an SBOM of each, which is what Go wrote into the binary, as CycloneDX.
#
#   release.sh [PLATFORM...]     such as linux/amd64; all six when none is given
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$(git describe --tags --always --dirty)
programs=(server trainer registry evaluate ingest questions)
platforms=("$@")
((${#platforms[@]})) || platforms=({linux,darwin,windows}/{amd64,arm64})
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT
rm -rf dist

build() { # FOLDER PLATFORM
  env CGO_ENABLED=0 GOOS="${2%/*}" GOARCH="${2#*/}" go build -trimpath -buildvcs=true \
    -ldflags "-s -w -buildid= -X github.com/docent-ml/docent/examples/internal/program.release=$version" \
    -o "$1/" "${programs[@]/#/./examples/}"
}
for platform in "${platforms[@]}"; do
  out=dist/docent-$version-${platform/\//-}
  mkdir -p "$out" "$again/$platform"
  build "$out" "$platform"
  # Compiled packages come from the cache; what differs between two builds of a tree is what linking puts in.
  build "$again/$platform" "$platform"
  diff -r "$out" "$again/$platform"
  for program in "$out"/*; do
    go version -m "$program" | python3 internal/ci/sbom.py "$version" >"$program.cdx.json"
  done
  cp LICENSE THIRD_PARTY_NOTICES "$out/"
  echo "$out"
done
(cd dist && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
