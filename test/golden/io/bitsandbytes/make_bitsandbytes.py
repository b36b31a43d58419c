"""Writes packed.safetensors: matrices as bitsandbytes packs them on the CPU, and their values:  python test/golden/packed.py test/golden/io/bitsandbytes/make_bitsandbytes.py

Needs torch, bitsandbytes and safetensors. For each case NAME: `NAME.given` (float32, or what `dtype` says), the tensors that
transformers stores for a packed layer (`NAME.weight`, `NAME.weight.absmax`, …), and `NAME.values` in float32 and
`NAME.values.bfloat16`.
"""

from pathlib import Path

import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "packed.safetensors"

# name: (shape, type, block size, double quantization)
CASES = {
    "nf4": ((24, 96), "nf4", 64, False),
    "nf4-double": ((70, 320), "nf4", 64, True),
    "nf4-odd": ((5, 27), "nf4", 64, False),
    "nf4-wide": ((6, 256), "nf4", 256, True),
    "fp4": ((24, 96), "fp4", 64, False),
    "fp4-double": ((33, 130), "fp4", 128, True),
}


def given(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator) * torch.rand(shape[0], 1, generator=generator)
    weight[1] = 0
    weight[2, 3] = 7.5
    return weight


def main():
    tensors = {}
    for seed, (name, (shape, kind, block, nested)) in enumerate(CASES.items()):
        weight = given(shape, seed)
        packed, state = F.quantize_4bit(weight, blocksize=block, compress_statistics=nested, quant_type=kind)
        tensors[f"{name}.given"] = weight
        tensors[f"{name}.weight"] = packed
        for key, value in state.as_dict(packed=True).items():
            tensors[f"{name}.weight.{key}"] = value
        # As one row: bitsandbytes' kernel for AVX-512 misreads rows that fill multiples of 32 but not of 64.
        state.shape = torch.Size((1, weight.numel()))
        for dtype, suffix in ((torch.float32, ""), (torch.bfloat16, ".bfloat16")):
            state.dtype = dtype
            tensors[f"{name}.values{suffix}"] = F.dequantize_4bit(packed, state).reshape(shape)
    weight = given((20, 50), 9)
    codes, scales, _ = F.int8_vectorwise_quant(weight.half())
    tensors |= {"int8.given": weight, "int8.weight": codes, "int8.SCB": scales}
    for dtype, suffix in ((torch.float32, ""), (torch.bfloat16, ".bfloat16")):
        # bitsandbytes.autograd._functions.MatMul8bitFp
        tensors[f"int8.values{suffix}"] = codes.to(dtype).mul_(scales.unsqueeze(1).mul(1.0 / 127.0))
    save_file({key: value.contiguous() for key, value in tensors.items()}, OUT)
    OUT.chmod(0o644)


main()
