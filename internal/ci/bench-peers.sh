#!/usr/bin/env bash
# make bench-peers: docent beside PEFT and llama.cpp, by turns, with ratios, on models of random weights that are made here. Arguments
# choose parts, all if there are none:
#
#   train   a step of training, 135M, 1 x 256, float32, beside PEFT
#   train4  the peak of training on a 4-bit base of $SHAPE, 1 x 256, and what was predicted
#   start   from the start of the server to the first token, $SHAPE at Q4_0, warm page cache
#   serve   one client, eight, and prompts of about 1,000 tokens, the same file beside llama.cpp's server
#   adapters eight clients, and eight with an adapter of their own, 135M at Q8_0 beside llama.cpp's server
#
# ROUNDS=3 is how often they take turns, SHAPE=1b a shape that examples/internal/randommodel knows. What cannot be fetched is skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fetch=internal/ci/fetch.sh
rounds=${ROUNDS:-3} shape=${SHAPE:-1b}
cache=${DOCENT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/docent}/random
parts=${*:-train train4 start serve adapters}
work=$(mktemp -d)
server=
trap '[[ -z $server ]] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
mkdir -p "$cache"
go build -o "$work" ./examples/internal/randommodel ./examples/server
go test -vet=off -c -o "$work/lora.test" ./lora
q4=$cache/$shape-Q4_0.gguf

made() { # FILE ARGUMENTS...: makes a random model unless it is there
  [[ -e $1 ]] || { "$work/randommodel" "${@:2}" "$work/new${1##*/}" && mv "$work/new${1##*/}" "$1"; }
}

serve() { # FILE ARGUMENTS...: starts the server on the file and waits for a token
  "$work/server" -model "$1" -model-name m "${@:2}" -precision stored -slots 8 -listen 127.0.0.1:18080 >"$work/log" 2>&1 &
  server=$!
  until curl -sf http://127.0.0.1:18080/v1/completions -H 'Content-Type: application/json' \
    -d '{"model":"m","prompt":"a","max_tokens":1}' >/dev/null; do
    kill -0 "$server" || { cat "$work/log" >&2; return 1; }
    sleep 0.02
  done
}

halt() {
  kill "$server"
  wait "$server" || true
  server=
}

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg)"
for part in $parts; do
  echo "=== $part"
  case $part in
  train)
    python=$($fetch python) || continue
    made "$cache/135m" -shape 135m
    bench="$work/lora.test -test.run ^\$ -test.benchtime 1000000x -test.timeout 0 -test.bench TrainStep/cpu/f32/recompute=false/batch=1/seq=256"
    "$python" internal/ci/turns.py --rounds "$rounds" --warm 1 "peft=$python internal/ci/peer.py train $cache/135m --batch 1 --seq 256" \
      "docent=DOCENT_BENCH_MODEL=dir:$cache/135m $bench"
    ;;
  train4)
    made "$q4" -shape "$shape" -type Q4_0
    DOCENT_MEMORY_MODEL=gguf:$q4 DOCENT_MEMORY_PRECISION=stored "$work/lora.test" -test.run TestMemoryIsPredicted -test.v | grep -o 'recompute=.*peak.*MB'
    ;;
  start)
    made "$q4" -shape "$shape" -type Q4_0
    cat "$q4" >/dev/null
    for _ in $(seq "$rounds"); do
      began=$(date +%s.%N)
      serve "$q4"
      awk "BEGIN {printf \"%.2f s\\n\", $(date +%s.%N) - $began}"
      halt
    done
    ;;
  serve)
    python=$($fetch llamacpp) || continue
    made "$q4" -shape "$shape" -type Q4_0
    serve "$q4"
    # A token of these models is a byte: 47 sentences are 1,000 of them.
    "$python" internal/ci/peer_serve.py "$q4" --docent http://127.0.0.1:18080/v1 --rounds "$rounds" --tokens "${TOKENS:-32}" --system 285
    halt
    ;;
  adapters)
    python=$($fetch llamacpp) || continue
    q8=$cache/135m-Q8_0.gguf models=()
    [[ -e $q8 ]] || "$work/randommodel" -shape 135m -type Q8_0 -adapters 8 "$q8"
    for i in {0..7}; do models+=(-model "${q8%.gguf}-$i" -model-name "$i"); done
    serve "$q8" -max-models 9 "${models[@]}"
    "$python" internal/ci/peer_serve.py "$q8" --docent http://127.0.0.1:18080/v1 --rounds "$rounds" --tokens "${TOKENS:-32}" --adapters 8
    halt
    ;;
  *)
    echo "usage: bench-peers.sh [train] [train4] [start] [serve] [adapters]" >&2
    exit 2
    ;;
  esac
done
