"""Reads what docent wrote with transformers and PEFT, and writes what PEFT makes for docent to read.

For each folder CASE/ in the one given as argument, with

    model/      base model            adapter/    docent's adapter of it
    merged/     docent's merged model input.json  {"ids": [[int]], "messages": [...], "chat": [int], "texts": {text: [int]}}

it checks that nothing is missing, left over or warned about, and writes theirs/, an adapter of PEFT's, and
logits.safetensors with the logits of "base", "adapter", "merged" and "theirs".
"""

import json
import pathlib
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

warnings.simplefilter("error", UserWarning)  # PEFT only warns of adapter weights that are missing or fit nowhere
warnings.filterwarnings("ignore", message=".*invalid shape: [^ ]*lora_B.bias:")  # and, in 0.21.2, that these are no matrices


def load(folder):
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    for what, names in info.items():
        assert not names, f"{folder}: {what}: {names}"
    return model.eval()


def check(case):
    given = json.loads((case / "input.json").read_text())
    ids = torch.tensor(given["ids"])
    logits = {}

    def run(name, model):
        with torch.no_grad():
            logits[name] = model(ids).logits.contiguous()

    run("base", load(case / "model"))
    run("merged", load(case / "merged"))
    GenerationConfig.from_pretrained(case / "merged")
    tokenizer = AutoTokenizer.from_pretrained(case / "merged")
    chat = tokenizer.apply_chat_template(given["messages"], add_generation_prompt=True, return_dict=False)
    assert chat == given["chat"], f"chat prompt: transformers {chat}, docent {given['chat']}"
    for text, want in given["texts"].items():
        got = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert got == want, f"{text!r}: transformers {got}, docent {want}"

    ours = PeftModel.from_pretrained(load(case / "model"), case / "adapter").eval()
    written = load_file(case / "adapter" / "adapter_model.safetensors")
    loaded = get_peft_model_state_dict(ours, save_embedding_layers=False)  # of the base
    assert loaded.keys() == written.keys(), loaded.keys() ^ written.keys()
    assert all(torch.equal(loaded[name], written[name]) for name in written)
    run("adapter", ours)

    torch.manual_seed(3)
    base = load(case / "model")
    dropout = 0.0 if hasattr(base.config, "num_local_experts") else 0.1  # PEFT has none for experts
    config = LoraConfig(r=3, lora_alpha=7, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    theirs = get_peft_model(base, config).eval()
    for name, weight in theirs.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    theirs.save_pretrained(case / "theirs")
    run("theirs", theirs)
    save_file(logits, case / "logits.safetensors")


for case in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    check(case)
    print(case.name, "read and answered")
