"""One layer of Llama-2-7B's shape with weights in nf4, and LoRA: what transformers, bitsandbytes and PEFT compute in float32.

VENV/bin/pip install torch transformers peft bitsandbytes; VENV/bin/python test/golden/packed.py test/golden/io/bitsandbytes/make_layer.py (needs 5 GB of memory)

layer.safetensors  float32, of two rows of 5 and 3 tokens, each token another row of the embeddings: every STRIDE-th element of `hidden` [8, 4096],
                   and of the gradients of Σ hidden ∘ drawn("loss"): `grad/embeddings`, and `grad/PARAMETER` of each LoRA matrix

All weights come from `drawn`, which test/parity/largeLayer.slow.test.ts has as well.
"""

from pathlib import Path

import bitsandbytes.functional as F
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaModel

from make_models import short

LENGTHS = [5, 3]
STRIDE = 61
CONFIG = LlamaConfig(
    vocab_size=8, hidden_size=4096, intermediate_size=11008, num_hidden_layers=1, num_attention_heads=32, num_key_value_heads=32,
    max_position_embeddings=32, rms_norm_eps=1e-5,
)  # fmt: skip
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def drawn(name, shape, scale):
    """Numbers between -scale and scale: a hash of the element's place and of the name's bytes."""
    seed = 0
    for byte in name.encode():
        seed = (seed * 31 + byte) % 2**32
    mixed = np.arange(np.prod(shape), dtype=np.uint32) ^ np.uint32(seed)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        mixed = (mixed ^ (mixed >> np.uint32(shift))) * np.uint32(factor)
    mixed ^= mixed >> np.uint32(16)
    values = (mixed / 2**31 - 1) * scale
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def rounded(weight):
    """Through nf4 and back, decoded as one row."""
    codes, state = F.quantize_4bit(weight, blocksize=64, quant_type="nf4")
    state.shape = torch.Size((1, weight.numel()))
    return F.dequantize_4bit(codes.view(-1, 1), state).reshape(weight.shape)


@torch.no_grad()
def fill(model):
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.copy_(drawn(short(name), value.shape, 0.02))
        elif value.ndim == 1:
            value.copy_(1 + drawn(short(name), value.shape, 0.1))
        elif "embed_tokens" in name:
            value.copy_(drawn(short(name), value.shape, 1))
        else:
            value.copy_(rounded(drawn(short(name).replace(".base_layer", ""), value.shape, 0.03)))


def sampled(values):
    return values.detach().flatten()[::STRIDE].clone()


if __name__ == "__main__":
    config = LoraConfig(r=8, lora_alpha=16, target_modules=PROJECTIONS, lora_dropout=0.0)
    model = get_peft_model(LlamaModel(CONFIG), config)
    fill(model)
    model.base_model.model.embed_tokens.weight.requires_grad_(True)
    parts = torch.arange(8).split(LENGTHS)
    hidden = torch.cat([model(input_ids=row[None]).last_hidden_state[0] for row in parts])
    (hidden * drawn("loss", hidden.shape, 1)).sum().backward()
    found = {"hidden": sampled(hidden), "grad/embeddings": sampled(model.base_model.model.embed_tokens.weight.grad)}
    found |= {f"grad/{short(key)}": sampled(value.grad) for key, value in model.named_parameters() if "lora_" in key}
    save_file(found, Path(__file__).with_name("layer.safetensors"))
