"""Decoding speed of transformers on this machine, for a side-by-side with docent's BenchmarkDecode.

    python peer_decode.py MODEL_DIR_OR_GGUF [--precision f32|bf16] [--streams 1 8] [--prompt 32] [--tokens 32]

Prints a JSON line for each number of streams: median tokens/s of all streams together, prefill taken off. Run it and the
benchmark in turn, several times.
"""
import argparse, json, os, time

import torch
from transformers import AutoModelForCausalLM

a = argparse.ArgumentParser()
a.add_argument("model")
a.add_argument("--precision", default="f32", choices=["f32", "bf16"])
a.add_argument("--streams", type=int, nargs="+", default=[1, 8])
a.add_argument("--prompt", type=int, default=32)
a.add_argument("--tokens", type=int, default=32)
a.add_argument("--threads", type=int, default=os.cpu_count())
a = a.parse_args()
torch.set_num_threads(a.threads)
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[a.precision]
if a.model.endswith(".gguf"):
    folder, name = os.path.split(a.model)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype)
else:
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=dtype)
model.eval()


def seconds(ids, n):
    start = time.time()
    model.generate(ids, max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0)
    return time.time() - start


for n in a.streams:
    ids = torch.arange(100, 100 + a.prompt).repeat(n, 1)
    seconds(ids, 4)
    rates = sorted(n * a.tokens / (seconds(ids, a.tokens + 1) - seconds(ids, 1)) for _ in range(3))
    print(json.dumps({"peer": "transformers", "precision": a.precision, "streams": n, "decode_tok_per_s": round(rates[1], 1)}))
