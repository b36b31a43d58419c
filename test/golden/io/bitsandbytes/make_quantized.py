"""Writes quantized.safetensors: matrices, and their bytes as bitsandbytes and gguf-py pack them:  python test/golden/packed.py test/golden/io/bitsandbytes/make_quantized.py

Needs torch, bitsandbytes, gguf and safetensors. For each case FORMAT/NAME: `….given` in float32 and `….0`, `….1`: the parts in the order of
`torch.quantizeWeight`.
"""

from pathlib import Path

import bitsandbytes.functional as F
import gguf
import numpy as np
import torch
from safetensors.torch import save_file

OUT = Path(__file__).parent / "quantized.safetensors"


def drawn(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator) * torch.rand(shape[0], 1, generator=generator)


def zeros():
    """With a block, a row and a partial last block of zeros."""
    weight = drawn((6, 90), 1)
    weight[0] = 0
    weight[1, :64] = 0
    weight[-1, -40:] = 0
    return weight


def ties(levels):
    """Values in the middle between two levels, and their neighbors, beside a largest value of either sign."""
    middles = (levels[1:] + levels[:-1]) / 2
    values = torch.cat([levels, middles, torch.nextafter(middles, torch.tensor(9.0)), torch.nextafter(middles, torch.tensor(-9.0))])
    rows = []
    for largest in (1.0, -1.0, 0.7, -3.3):
        row = torch.zeros(64)
        row[: len(values[:63])] = values[:63] * abs(largest)
        row[63] = largest
        rows.append(row)
    return torch.stack(rows)


def small(*scales):
    return drawn((4, 64), 2) * torch.tensor(scales).reshape(4, 1)


def halves(count):
    """Values that lie between two integers of a scale, exactly or nearly."""
    steps = torch.arange(-count, count).float() + 0.5
    rows = [steps[torch.randint(len(steps), (63,), generator=torch.Generator().manual_seed(seed))] for seed in range(9)]
    scales = torch.tensor([1.0, -1.0, 0.5, 1 / 3, 0.007, 1.7, 123.0, 3e-5, 0.465087890625])
    rows = [torch.cat([row, torch.tensor([float(count)])]) * scale for row, scale in zip(rows, scales)]
    return torch.stack(rows)


def cases(kind):
    return {
        "drawn": drawn((20, 192), 3),
        "odd": drawn((5, 27), 4),
        "one": drawn((1, 1), 5),
        "zeros": zeros(),
        "none": torch.zeros(3, 50),
        "small": small(1e-36, 1e-38, 1e-39, 1e-44),
        "halves": halves(127),
        **({"ties": ties(torch.tensor(sorted(set(F.get_4bit_type(kind, device="cpu").tolist()))))} if kind != "int8" else {}),
    }


def blocks():
    weight = drawn((7, 96), 6)
    weight[0, :32] = 0
    weight[1] = 0
    weight[2, 5] = -9.0
    weight[3, 5] = 9.0
    weight[3, 40] = -9.0
    weight[4, 2], weight[4, 9] = 8.0, -8.0
    weight[5, 2], weight[5, 9] = -8.0, 8.0
    return {
        "drawn": drawn((20, 192), 7),
        "special": weight,
        "small": small(1e-4, 1e-6, 1e-8, 1e-30),
        "halves-8": halves(8),
        "halves-127": halves(127),
    }


def main():
    tensors = {}

    def add(name, given, *parts):
        tensors[f"{name}.given"] = given
        tensors.update({f"{name}.{i}": part for i, part in enumerate(parts)})

    for kind in ("nf4", "fp4"):
        for name, given in cases(kind).items():
            packed, state = F.quantize_4bit(given, blocksize=64, quant_type=kind)
            add(f"{kind}/{name}", given, packed.reshape(-1), state.absmax)
    for name, given in cases("int8").items():
        codes, scales, _ = F.int8_vectorwise_quant(given.half())
        add(f"int8/{name}", given, codes, scales)
    for kind, of in (("q8_0", gguf.GGMLQuantizationType.Q8_0), ("q4_0", gguf.GGMLQuantizationType.Q4_0)):
        for name, given in blocks().items():
            packed = gguf.quantize(given.numpy(), of)
            add(f"{kind}/{name}", given, torch.from_numpy(np.ascontiguousarray(packed).reshape(-1)))
    save_file({key: value.contiguous() for key, value in tensors.items()}, OUT)
    OUT.chmod(0o644)


main()
