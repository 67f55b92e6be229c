"""Writes internal/golden/testdata/variants: variants.py [NAME...]

Twelve steps of each kind of LoRA that docent trains, by PEFT and torch on the checkpoints of testdata/tiny: the adapter before
and after, as PEFT saves it, losses, and the logits of the model with the adapter merged, or on top where PEFT cannot merge.
"""

import json
import pathlib
import shutil
import sys
import warnings

import torch
from golden import LENGTH, OPTIMIZER, PADDED_FROM, ROWS, TINY
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

OUT = TINY.parent / "variants"
STEPS = 12
ALL, SOME, QKV = "all-linear", ["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj"]
CASES = {  # name: (checkpoint, PEFT's settings, what else)
    "loraplus": ("llama", dict(target_modules=ALL), dict(ratio=4.0)),
    "dora": ("llama", dict(target_modules=ALL, use_dora=True), {}),
    "dora-fused-rslora": ("phi3", dict(target_modules=ALL, use_dora=True, use_rslora=True), {}),
    "dora-biases-loraplus": ("qwen2", dict(target_modules=ALL, use_dora=True), dict(ratio=8.0)),
    "save-head": ("llama", dict(target_modules=SOME, modules_to_save=["lm_head"]), {}),
    "save-both": ("llama", dict(target_modules=SOME, modules_to_save=["embed_tokens", "lm_head"]), {}),
    "save-tied": ("qwen2", dict(target_modules=SOME, modules_to_save=["embed_tokens"], ensure_weight_tying=True), {}),
    "save-softcap": ("nanochat", dict(target_modules=SOME, modules_to_save=["embed_tokens", "lm_head"]), {}),
    "target-both": ("llama", dict(target_modules=[*SOME, "embed_tokens", "lm_head"]), {}),
    "target-head-loraplus": ("llama", dict(target_modules=["down_proj", "lm_head"]), dict(ratio=2.0)),
    "target-tied": ("gemma2", dict(target_modules=[*SOME, "embed_tokens"], ensure_weight_tying=True), {}),
    "tokens": ("llama", dict(target_modules=SOME, trainable_token_indices=[7, 5, 151]), {}),
    "tokens-tied": ("gemma2", dict(target_modules=SOME, trainable_token_indices=[7, 5, 91]), {}),
    "tokens-new": ("llama", dict(target_modules=SOME, trainable_token_indices=[160, 161, 162]), dict(new=3)),
    "tokens-new-tied": ("qwen2", dict(target_modules=SOME, trainable_token_indices=[160, 161]), dict(new=2)),
    "lora-bias": ("qwen2", dict(target_modules=QKV, lora_bias=True), {}),
    "bias-lora-only": ("qwen2", dict(target_modules=["q_proj", "up_proj"], bias="lora_only"), dict(ratio=3.0)),
    "bias-all": ("qwen2", dict(target_modules=["up_proj"], bias="all"), {}),
    "pissa": ("llama", dict(target_modules=ALL, init_lora_weights="pissa"), {}),
    "olora-rslora": ("qwen2", dict(target_modules=ALL, init_lora_weights="olora", use_rslora=True), {}),
}  # fmt: skip


def optimizer_of(model, ratio):
    lr, decay = OPTIMIZER["lr"], OPTIMIZER["weight_decay"]
    settings = dict(betas=OPTIMIZER["betas"], eps=OPTIMIZER["eps"])
    if ratio:
        return create_loraplus_optimizer(
            model, torch.optim.AdamW, lr=lr, loraplus_lr_ratio=ratio, loraplus_weight_decay=decay, **settings
        )
    named = [(name, w) for name, w in model.named_parameters() if w.requires_grad]
    return torch.optim.AdamW([  # biases do not decay, as in transformers' Trainer
        {"params": [w for name, w in named if "bias" not in name], "weight_decay": decay},
        {"params": [w for name, w in named if "bias" in name], "weight_decay": 0.0},
    ], lr=lr, **settings)  # fmt: skip


def save(model, folder, base, **conversion):
    model.save_pretrained(folder, **conversion)
    (folder / "README.md").unlink()
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = f"../../../tiny/{base}/model"  # where PEFT looked, whether the vocabulary has grown
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1))


def write(name, checkpoint, settings, ratio=None, new=0):
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(TINY / checkpoint / "model", attn_implementation="eager", dtype=torch.float32)
    vocab = model.config.vocab_size
    if new:
        model.resize_token_embeddings(vocab + new, mean_resizing=False)
        vocab += new
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **settings)
    converts = isinstance(config.init_lora_weights, str)
    model = get_peft_model(model, config).eval()
    save(model, out / "init", checkpoint)
    if converts:  # PEFT reads the first matrices from there, and takes the base for what it was
        text = (out / "init" / "adapter_config.json").read_text()
        (out / "init" / "adapter_config.json").write_text(text.replace(f'"{config.init_lora_weights}"', "true"))
    tokens = settings.get("trainable_token_indices", [])
    batches = torch.randint(3, vocab, (STEPS, ROWS, LENGTH))
    for i, token in enumerate(tokens):
        batches[:, 0, 3 * i + 1] = token
    optimizer = optimizer_of(model, ratio)
    weights = list({id(w): w for w in model.parameters() if w.requires_grad}.values())
    losses, norms = [], []
    for step, ids in enumerate(batches):
        mask, labels = torch.ones_like(ids), ids.clone()
        if step % 2:
            ids, mask[1, PADDED_FROM:], labels[1, PADDED_FROM:] = ids.clone(), 0, -100
            ids[1, PADDED_FROM:] = 0
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.stack([w.grad.norm() for w in weights if w.grad is not None]).norm()))
        optimizer.step()
        losses.append(loss.item())
    save(model, out / "final", checkpoint, **({"path_initial_model_for_weight_conversion": out / "init"} if converts else {}))
    ids = torch.randint(3, vocab, (2, 24))
    with torch.no_grad():
        save_file({"input_ids": ids.int(), "logits": model(ids).logits.contiguous()}, out / "logits.safetensors")
    run = {
        "checkpoint": checkpoint, "new_tokens": new, "ratio": ratio, "settings": settings, "optimizer": OPTIMIZER, "batches": batches.tolist(),
        "odd_batches": f"row 1 is padded from position {PADDED_FROM}", "losses": losses, "grad_norm_step0": norms[0],
    }  # fmt: skip
    (out / "run.json").write_text(json.dumps(run) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for number, (name, (checkpoint, settings, more)) in enumerate(CASES.items()):
        torch.manual_seed(40 + number)
        if not sys.argv[1:] or name in sys.argv[1:]:
            write(name, checkpoint, settings, **more)
            print("wrote", name, flush=True)
