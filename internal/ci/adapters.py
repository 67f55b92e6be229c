"""Writes the adapters of internal/lm/model/testdata/peft, with the logits that PEFT computes from them: adapters.py [NAME...]

Each is trained by noise, saved, and loaded into the base model as a user would. base and ids.json stay as they are.
"""

import json
import pathlib
import shutil
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).parent.parent / "lm" / "model" / "testdata" / "peft"
ALL, SOME = "all-linear", ["q_proj", "v_proj"]
CASES = {
    "pissa": dict(target_modules=SOME, init_lora_weights="pissa"),
    "pissa-patterns": dict(
        target_modules=ALL, init_lora_weights="pissa", use_rslora=True, rank_pattern={"q_proj": 8}, alpha_pattern={"down_proj": 3}
    ),
    "olora": dict(target_modules=SOME, init_lora_weights="olora"),
    "olora-all": dict(target_modules=ALL, init_lora_weights="olora", alpha_pattern={"q_proj": 16}),
    "mica": dict(target_modules=SOME, init_lora_weights="mica"),
    "orthogonal": dict(target_modules=SOME, init_lora_weights="orthogonal"),
    "gaussian": dict(target_modules=SOME, init_lora_weights="gaussian"),
    "lookahead": dict(target_modules=ALL, alpha_pattern={r"(?!.*down).*mlp.*": 64}),
    "overlap": dict(target_modules=ALL, alpha_pattern={"layers.0.self_attn.q_proj": 64, "q_proj": 16, "self_attn.q_proj": 32}),
    "named-group": dict(target_modules=ALL, alpha_pattern={r"layers\.(?P<n>[^1])\.(?:mlp|x{,2})\..*?\Z": 64, "[a-z_.]*": 3}),
    "rank-overlap": dict(target_modules=ALL, rank_pattern={"layers.1.self_attn.q_proj": 6, "q_proj": 2}, use_rslora=True),
    "regex": dict(target_modules=r".*layers\.(0|2)\.(self_attn\.(q|k)_proj|mlp\.down_proj)"),
    "one-layer": dict(target_modules=SOME, layers_to_transform=1),
    "lookbehind": dict(target_modules=ALL, alpha_pattern={r".*(?<!up_)(?<!down_)proj": 40, r"^model\.layers\.[12]\.mlp\.[^.]+$": 3}),
    "pissa-head": dict(target_modules=["lm_head", "q_proj"], init_lora_weights="pissa"),
    "olora-embedding": dict(target_modules=["embed_tokens", "q_proj"], init_lora_weights="olora"),
    "save-norms": dict(target_modules=["up_proj"], modules_to_save=["norm", "1.self_attn"]),
    "save-grown": dict(target_modules=["up_proj"], modules_to_save=["embed_tokens", "lm_head"]),
}
NEW = {"save-grown": 3}  # tokens


def load(name):
    base = AutoModelForCausalLM.from_pretrained(ROOT / "base")
    if name in NEW:
        torch.manual_seed(5)
        base.resize_token_embeddings(base.config.vocab_size + NEW[name], mean_resizing=False)
    return base


ids = torch.tensor([json.loads((ROOT / "ids.json").read_text())])
for name in sys.argv[1:] or CASES:
    torch.manual_seed(7)
    model = get_peft_model(load(name), LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **CASES[name]))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    out = ROOT / name
    shutil.rmtree(out, ignore_errors=True)
    model.eval().save_pretrained(out)
    (out / "README.md").unlink()
    config = json.loads((out / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "../base"
    (out / "adapter_config.json").write_text(json.dumps(config, indent=1))
    model = PeftModel.from_pretrained(load(name), out).eval()
    with torch.no_grad():
        save_file({"logits": model(ids).logits[0].contiguous()}, out / "logits.safetensors")
