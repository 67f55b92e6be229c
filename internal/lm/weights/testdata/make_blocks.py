"""Writes blocks.json: random quantised blocks and what the gguf package (0.19.0) makes of them; and quantised.json: numbers and what
its quantisers make of those.

    pip install gguf==0.19.0 && python make_blocks.py
"""
import json

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import dequantize, quantize
from gguf.constants import GGML_QUANT_SIZES

# Byte offsets of the half-precision scales, which must be finite for a comparison to mean something.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}

rng = np.random.default_rng(7)
out = {}
for name, offsets in HALVES.items():
    kind = T[name]
    _, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, size=(3, size), dtype=np.uint8)
    for o in offsets:
        blocks[:, o:o + 2] = rng.normal(0, 0.1, size=(3, 1)).astype(np.float16).view(np.uint8)
    if offsets:
        blocks[2, offsets[0]:offsets[0] + 2] = [0x01, 0x80]  # a negative subnormal scale
    values = dequantize(blocks, kind).astype("<f4")
    out[name] = {"blocks": blocks.tobytes().hex(), "values": values.tobytes().hex()}
with open("blocks.json", "w") as f:
    json.dump(out, f, indent=1)
    f.write("\n")

rng = np.random.default_rng(11)
x = rng.normal(0, 1, size=(6, 32)).astype("<f4")
x[1] *= 1e-4
x[2] *= 1e-7  # scales that are subnormal
x[3] = 0
x[4] = np.round(x[4] * 4) / 4  # halves between two steps
x[4][0] = 127 / 4
x[5] = np.linspace(-1, 1, 32)
out = {"values": x.tobytes().hex()}
for name in "Q8_0", "Q4_0", "Q4_1":
    out[name] = quantize(x.reshape(-1), T[name]).tobytes().hex()
with open("quantised.json", "w") as f:
    json.dump(out, f)
    f.write("\n")
