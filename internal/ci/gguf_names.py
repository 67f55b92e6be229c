"""Prints what gguf-py, the tables of llama.cpp's converter, calls the weights of transformers: gguf_names.py > internal/lm/weights/testdata/gguf_names.json"""

import json
import re

from gguf.constants import MODEL_ARCH, MODEL_ARCH_NAMES
from gguf.tensor_mapping import get_tensor_name_map

ARCHS = """llama qwen2 qwen3 gemma gemma2 gemma3 phi3 seed_oss granite smollm3 olmo2 ernie4_5 glm4 exaone4 hunyuan-dense cohere2
starcoder2 mistral3 apertus qwen3moe gpt-oss lfm2""".split()

OURS = re.compile(r"(model\.(layers\.0\.((self_attn|mlp|conv|feed_forward)\.)?(\w+_proj|conv|w\d|experts\.\w+_proj|gate|router|sinks|c_fc|\w+_norm|\w+layernorm)|norm|embed_tokens|embedding_norm)|lm_head)$")
names = {}
for arch in MODEL_ARCH:
    if MODEL_ARCH_NAMES[arch] not in ARCHS:
        continue
    table = get_tensor_name_map(arch, 1)
    ours = [name for name in table.mapping if OURS.match(name)]
    names[MODEL_ARCH_NAMES[arch]] = {name: table.get_name(name) for name in sorted(ours)}
print(json.dumps(names, indent=1))
