"""What transformers and PEFT do in the place of docent's BenchmarkTrainStep, BenchmarkDecode and BenchmarkPrefill, for turns.py.

    python peer.py train   MODEL_DIR_OR_GGUF [--precision f32|bf16] [--batch 4] [--seq 256] [--rank 8]
    python peer.py decode  MODEL_DIR_OR_GGUF [--precision f32|bf16] [--streams 1] [--prompt 32]
    python peer.py prefill MODEL_DIR_OR_GGUF [--precision f32|bf16] [--prompt 1000]

A GGUF file needs the package gguf. shape:NAME is a model of random weights, of internal/testmodel/shapes. Works until it is ended, and prints "turn N" whenever N tokens are done.
"""
import argparse, json, os

import torch
from transformers import AutoConfig, AutoModelForCausalLM

a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("work", choices=["train", "decode", "prefill"])
a.add_argument("model")
a.add_argument("--precision", default="f32", choices=["f32", "bf16"])
a.add_argument("--batch", type=int, default=4)
a.add_argument("--seq", type=int, default=256)
a.add_argument("--rank", type=int, default=8)
a.add_argument("--recompute", action="store_true", help="gradient checkpointing")
a.add_argument("--streams", type=int, default=1)
a.add_argument("--prompt", type=int)
a.add_argument("--device", default="cpu")
a.add_argument("--threads", type=int, default=os.cpu_count())
a = a.parse_args()
torch.set_num_threads(a.threads)
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[a.precision]
if a.model.startswith("shape:"):
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../testmodel/shapes", a.model[6:] + ".json")
    with torch.device(a.device):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**json.load(open(file))), dtype=dtype)
else:
    folder, name = (a.model, None) if os.path.isdir(a.model) else os.path.split(a.model)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=dtype).to(a.device)


def turn(units):
    if a.device != "cpu":
        torch.cuda.synchronize()
    print(f"turn {units}", flush=True)


def prompt(n):
    return 3 + torch.arange(n, device=a.device) % (model.config.vocab_size - 3)


def train():
    from peft import LoraConfig, get_peft_model

    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    tuned = get_peft_model(model, LoraConfig(r=a.rank, lora_alpha=2 * a.rank, target_modules=targets))
    if a.recompute:
        tuned.enable_input_require_grads()
        tuned.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    tuned.train()
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-3)
    ids = torch.randint(3, model.config.vocab_size - 1, (a.batch, a.seq), device=a.device)
    while True:
        tuned(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        turn(ids.numel())


@torch.no_grad()
def decode():
    def each(ids, scores, **_):
        turn(a.streams)
        return False

    ids = prompt(a.prompt or 32).repeat(a.streams, 1)
    n = model.config.max_position_embeddings - ids.shape[1]
    model.generate(ids, max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0, stopping_criteria=[each])


@torch.no_grad()
def prefill():
    ids = prompt(a.prompt or 1000).unsqueeze(0)
    while True:
        model(ids, use_cache=True, logits_to_keep=1)
        turn(ids.numel())


model.eval()
{"train": train, "decode": decode, "prefill": prefill}[a.work]()
