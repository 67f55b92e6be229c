"""Writes reference values in the layout of internal/golden/testdata/tiny: golden.py OUT SEED [CASE…]

Every architecture that docent computes gets a random checkpoint of its own for each SEED, and transformers and PEFT say
what comes out of it. CASES has the shapes of testdata/tiny and more: a new family is one more line.
"""

import json
import pathlib
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

TINY = pathlib.Path(__file__).parent.parent / "golden" / "testdata" / "tiny"
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "original_max_position_embeddings": 16,
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], "long_factor": [2.0, 2.1, 2.2, 2.3, 2.4, 2.5],
}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 8.0, "original_max_position_embeddings": 16, "beta_fast": 4.0}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}
CASES = {  # name: (case of testdata/tiny that has the config, what is different)
    **{case.name: (case.name, {}) for case in sorted(TINY.iterdir())},
    "llama-biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama-linear-rope": ("llama", {"rope_parameters": LINEAR, "tie_word_embeddings": True}),
    # 22: transformers keeps the rotation of a longer text for shorter ones that have more than this
    "llama-dynamic-rope": ("llama", {"rope_parameters": DYNAMIC, "max_position_embeddings": 22}),
    "llama-longrope": ("llama", {"rope_parameters": LONGROPE}),
    "qwen2-yarn": ("qwen2", {"rope_parameters": YARN}),
    "llama-one-kv-head": ("llama", {"num_key_value_heads": 1, "head_dim": 20}),
    "llama-full-heads": ("llama", {"num_key_value_heads": 4, "num_hidden_layers": 1, "intermediate_size": 72}),
    "mistral-no-window": ("mistral-window", {"sliding_window": None, "tie_word_embeddings": True}),
    "mistral-short-window": ("mistral-window", {"sliding_window": 3}),
    "qwen2-untied": ("qwen2", {"tie_word_embeddings": False, "rms_norm_eps": 1e-5}),
    "qwen3-tied": ("qwen3", {"tie_word_embeddings": True, "attention_bias": True}),
    "qwen3-llama3-rope": ("qwen3", {"rope_parameters": LLAMA3}),
    "gemma3-scale": ("gemma3", {"query_pre_attn_scalar": 40, "sliding_window": 5}),
    "mixtral-window": ("mixtral", {"sliding_window": 6, "num_experts_per_tok": 3}),
    "qwen3_moe-mlp": ("qwen3_moe", {"norm_topk_prob": False, "mlp_only_layers": [1], "num_experts_per_tok": 3}),
    "gpt_oss-bounds": ("gpt_oss", {"swiglu_limit": 0.3, "num_experts_per_tok": 3, "sliding_window": 5, "rope_parameters": YARN}),
    "phi3-window": ("phi3", {"sliding_window": 8, "tie_word_embeddings": True}),
    "phi3-partial-rope": ("phi3", {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5}}),
}
STEPS, ROWS, LENGTH, PADDED_FROM = 6, 2, 20, 14
OPTIMIZER = {"name": "AdamW", "lr": 1e-2, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}


def random_model(case, changes):
    config = AutoConfig.from_pretrained(TINY / case / "model", **changes)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 1 or name.endswith("bias"):  # norms and biases start at constants, which would hide mistakes
                weight += 0.1 * torch.randn_like(weight)
    return model.eval()


def write_logits(path, model, ids):
    with torch.no_grad():
        save_file({"input_ids": ids.int(), "logits": model(ids).logits.contiguous()}, path)


def greedy(model, ids, count=24):
    ids = ids.tolist()
    for _ in range(count):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[-count:]


def train(model, batches):
    """The losses before each step, and the gradient norm of the first."""
    weights = [w for w in model.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=OPTIMIZER["lr"], betas=OPTIMIZER["betas"], eps=OPTIMIZER["eps"], weight_decay=OPTIMIZER["weight_decay"]
    )
    losses, norms = [], []
    for step, ids in enumerate(batches):
        mask, labels = torch.ones_like(ids), ids.clone()
        if step % 2:
            ids, mask[1, PADDED_FROM:], labels[1, PADDED_FROM:] = ids.clone(), 0, -100
            ids[1, PADDED_FROM:] = 0
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.stack([w.grad.norm() for w in weights]).norm()))
        optimizer.step()
        losses.append(loss.item())
    return losses, norms[0]


def write_case(out, case, changes):
    model = random_model(case, changes)
    vocab = model.config.vocab_size
    model.save_pretrained(out / "model")
    ids = torch.randint(3, vocab, (2, 24))
    write_logits(out / "logits.safetensors", model, ids)
    prompt = torch.randint(3, vocab, (8,))
    run = {"greedy": {"prompt_ids": prompt.tolist(), "new_ids": greedy(model, prompt)}}

    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(model, config).eval()
    model.save_pretrained(out / "adapter_init")
    batches = torch.randint(3, vocab, (STEPS, ROWS, LENGTH))
    losses, norm = train(model, batches)
    model.save_pretrained(out / "adapter_final")
    run["lora"] = {
        "r": 4, "lora_alpha": 8, "target_modules": "all-linear", "optimizer": OPTIMIZER, "batches": batches.tolist(),
        "odd_batches": f"row 1 is padded from position {PADDED_FROM}: id 0, attention mask 0, label ignored",
        "loss": "mean cross entropy over the unmasked next-token positions of the batch",
        "losses": losses, "grad_norm_step0": norm,
    }  # fmt: skip
    write_logits(out / "merged_logits.safetensors", model.merge_and_unload(), ids)
    (out / "run.json").write_text(json.dumps(run, indent=1) + "\n")


if __name__ == "__main__":
    out, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    for number, (name, (case, changes)) in enumerate(CASES.items()):
        if sys.argv[3:] and name not in sys.argv[3:]:
            continue
        torch.manual_seed(1000 * seed + number)
        write_case(out / name, case, changes)
        print("wrote", out / name, flush=True)
