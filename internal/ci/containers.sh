#!/usr/bin/env bash
# Brings the stack of compose.yaml up in real containers, on the course guides and with a model of three random layers, and
# uses it: waits for a version in Production, asks it, trains and promotes another, killed once on the way and resumed, rolls back,
# looks at what registry and API may do, kills each of them once, and takes all down. Podman stands for Docker.
#
#   containers.sh PYTHON COMPOSE    an interpreter with MLflow, and podman-compose, both as fetch.sh prints them
#
# Base images cannot be pulled everywhere: docent's comes from programs built here, MLflow's is empty and sees the
# interpreter and the system of this machine, read-only. With --can it only tells, by status 3 and a line on stderr, why
# containers cannot run here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing() {
  echo "$*" >&2
  exit 3
}
[[ $(id -u) == 0 ]] || missing "only root may run containers here"
for program in podman runc busybox; do
  command -v $program >/dev/null || missing "$program is not installed: apt-get install podman runc netavark aardvark-dns iptables busybox-static"
done
[[ -x /usr/lib/podman/netavark && -x /usr/lib/podman/aardvark-dns ]] || missing "netavark and aardvark-dns, the network of containers, are not installed"
[[ $1 != --can ]] || exit 0
python=$1 compose=$2

work=$(mktemp -d /tmp/docent-stack-XXXXXX)
mkdir -p "$work"/{project/examples,builder/out,mlflow/root}
cat >"$work/containers.conf" <<END
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[network]
network_backend = "netavark"
network_config_dir = "$work/networks"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
END
cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
END
export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
limits=(--ulimit nofile=1024:1024 --ulimit nproc=1000:1000)

stack() { (cd "$work/project" && "$compose" -f compose.yaml -f here.yaml "$@"); }
finish() {
  local status=$?
  if ((status)) && [[ -d $work/project/data ]]; then
    echo "--- what the services said last"
    for name in mlflow api train; do podman logs --tail 15 "docent_${name}_1" 2>&1 | sed "s/^/$name: /" || true; done
  fi
  stack --profile train down >/dev/null 2>&1 || true
  podman rm --all --force >/dev/null 2>&1 || true
  umount "$work/storage/overlay" 2>/dev/null || true
  rm -rf "$work"
  exit $status
}
trap finish EXIT

say() { printf '%4d s  %s\n' $SECONDS "$*"; }
until_() { # SECONDS COMMAND...: tries until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || { echo "in vain: $*" >&2; return 1; }
    sleep 0.5
  done
}

# Images.
podman run --help >/dev/null # a broken installation ends here
CGO_ENABLED=0 go build -ldflags "-s -w" -o "$work/builder/out/" ./examples/server ./examples/trainer ./examples/registry
cp "$(command -v busybox)" "$work/builder/busybox"
cp /etc/ssl/certs/ca-certificates.crt "$work/builder/" 2>/dev/null || touch "$work/builder/ca-certificates.crt"
printf '%s\n' 'FROM scratch' 'COPY busybox /bin/sh' 'COPY busybox /bin/test' \
  'COPY ca-certificates.crt /etc/ssl/certs/' 'COPY out /out' >"$work/builder/Containerfile"
podman build -q "${limits[@]}" -t localhost/docent-builder "$work/builder" >/dev/null
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
venv=$(dirname "$(dirname "$python")")
mkdir -p "$work/mlflow/root/usr/local/bin" "$work/mlflow/root"/{etc,tmp,data,opt}
chmod 1777 "$work/mlflow/root/tmp" # as real images have it: Podman gives that mode to what it mounts there
for dir in bin sbin lib lib64; do
  if [[ -L /$dir ]]; then ln -s "usr/$dir" "$work/mlflow/root/$dir"; else mkdir "$work/mlflow/root/$dir"; fi
done
printf '#!/bin/sh\nexec python -m mlflow "$@"\n' >"$work/mlflow/root/opt/mlflow"
chmod +x "$work/mlflow/root/opt/mlflow"
printf '%s\n' 'FROM scratch' 'COPY root /' "ENV PATH=/opt:$venv/bin:/usr/bin:/bin" >"$work/mlflow/Containerfile"
podman build -q "${limits[@]}" -t localhost/mlflow "$work/mlflow" >/dev/null
say "images of Go's programs and of MLflow's interpreter"

# The project as it is cloned, with documents and a base model.
cp compose.yaml .dockerignore LICENSE THIRD_PARTY_NOTICES "$work/project/"
cp -r examples/config examples/deploy "$work/project/examples/"
mkdir -p "$work/project/data"/{raw_pdfs,processed,mlruns,logs,cache}
cp examples/trainer/testdata/course-guides/{facts.jsonl,*.pdf} "$work/project/data/raw_pdfs/"
cp -r internal/golden/testdata/tiny/llama/model "$work/project/data/cache/base"
cp internal/ci/testdata/tokenizer/* "$work/project/data/cache/base/"
sed -i 's/"max_position_embeddings": 128/"max_position_embeddings": 1024/' "$work/project/data/cache/base/config.json" # its positions are rotations
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) mlflow_port=$(free_port)
echo "website: sk-of-the-test" >"$work/project/keys"
chmod 644 "$work/project/keys"
cat >"$work/project/.env" <<END
BUILDER=localhost/docent-builder
MLFLOW_IMAGE=localhost/mlflow
DOCENT_NOFILE=1024
DOCENT_NPROC=1000
API_PORT=$port
MLFLOW_PORT=$mlflow_port
API_KEYS=./keys
BASE_MODEL=/app/data/cache/base
END
mounts="[./data/mlruns:/data/mlruns"
for dir in /usr "$prefix" "$venv" $(for d in /bin /sbin /lib /lib64; do [[ -L $d ]] || echo $d; done); do
  case $dir in /usr/*) ;; *) mounts+=", $dir:$dir:ro" ;; esac
done
cat >"$work/project/here.yaml" <<END
services:
  folders: {volumes: $mounts]}
  mlflow: {volumes: $mounts]}
END

base=http://127.0.0.1:$port
answers() { # STATUS PATH
  [[ $(curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$base$2") == "$1" ]]
}
ask() {
  curl -sf --max-time 20 "$base/v1/chat/completions" -H 'Authorization: Bearer sk-of-the-test' -H 'Content-Type: application/json' \
    -d '{"model":"course-guide","max_tokens":8,"temperature":0,"messages":[{"role":"user","content":"Who teaches BIO214?"}]}'
}
fingerprint() { ask | "$python" -c 'import json, sys; print(json.load(sys.stdin)["system_fingerprint"])'; }
another() { [[ $(fingerprint) != "$1" ]]; }
same() { [[ $(fingerprint) == "$1" ]]; }
train() { # STEPS SEED...: settings of a run of seconds
  stack --profile train run --rm -e EPOCHS=20 -e MAX_STEPS="$1" -e SEED="$2" -e GENERAL_PROMPTS=none -e CLOSED_ROWS=2 -e SAVE_EVERY=2 -e PROMOTION_GATE="general >= 0" \
    -e QUESTIONS=structure -e MAX_SEQ_LENGTH=512 train "${@:3}"
}
process() { podman inspect -f '{{.State.Pid}}' "$1"; }
restarted() { local now; now=$(process "$1") && ((now != 0 && now != $2)); }
confined() { # CONTAINER: is not root, cannot write to its root, has no capability
  local pid
  pid=$(process "$1")
  [[ $(awk '$1 == "Uid:" {print $2, $3, $4}' "/proc/$pid/status") == "10001 10001 10001" ]] &&
    [[ $(awk '$1 == "CapEff:" {print $2}' "/proc/$pid/status") == 0000000000000000 ]] &&
    [[ ,$(awk '$5 == "/" {print $6}' "/proc/$pid/mountinfo"), == *,ro,* ]]
}

stack up --build --detach
until_ 180 answers 200 /health/live
answers 503 /health/ready
say "the API lives, and is not ready without a version"
until_ 400 curl -sf --max-time 5 "http://127.0.0.1:$mlflow_port/health" >/dev/null
train 4 1
until_ 180 answers 200 /health/ready
[[ $(curl -s -o /dev/null -w '%{http_code}' "$base/v1/models") == 401 ]] # the secret is in use
first=$(fingerprint)
say "version 1 serves: $first"

# The second run is killed as soon as it has a checkpoint, and goes on from it.
processed=$work/project/data/processed
checkpoint() { grep -q '"finished":false' "$processed/run.json" 2>/dev/null && compgen -G "$processed/artifacts_tmp/*" >/dev/null; }
train 150 2 >"$work/killed.log" 2>&1 &
until_ 400 checkpoint
kill -9 "$(process "$(podman ps --filter name=train --format '{{.Names}}')")"
! wait $! # it did not end by itself
train 150 2 /trainer -docs /app/data/raw_pdfs -data /app/data/processed -resume | tee "$work/resumed.log"
grep -q "going on after step [1-9]" "$work/resumed.log"
say "training was killed and went on from its checkpoint"
until_ 180 another "$first"
second=$(fingerprint)
say "version 2 serves: $second"
stack --profile train run --rm train /registry rollback course-guide
until_ 180 same "$first"
say "version 1 serves again"

for name in mlflow api; do
  confined docent_${name}_1
  before=$(process docent_${name}_1)
  kill -9 "$before"
  if [[ $name == mlflow ]]; then same "$first"; fi # the API does without
  until_ 180 restarted docent_${name}_1 "$before"
  until_ 400 answers 200 /health/ready
  until_ 180 same "$first"
  say "$name was killed and is back"
done

stack --profile train down
say "taken down"
