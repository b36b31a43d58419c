"""Writes adamw8bit.json and adamw8bit.safetensors next to this file: steps of bitsandbytes' AdamW8bit, and its maps of codes.

    pip install torch==2.13.0 bitsandbytes==0.50.2
    python test/golden/packed.py test/golden/optim/make_adamw8bit.py

The step is that of bitsandbytes' CPU backend, with the code nearest to each number, as its backends for other devices choose it. For float32
numbers the CPU backend's library looks the code up in a table of 65536 steps instead, which gives 0 the code of a positive number; for
float64 numbers the backend compares with all codes. So the new moments are passed on in float64, with the same values. A second moment that is
not 0 never gets the code of 0, as on the CPU backend, where the step after that could otherwise be thousands of times the rate.

Where a number lies so near the middle between two codes that the last bits of a computation decide, the gradient is changed.
"""

import json
from pathlib import Path

import bitsandbytes
import torch
from bitsandbytes.backends.cpu import ops
from bitsandbytes.functional import create_dynamic_map
from bitsandbytes.optim import AdamW8bit
from safetensors.torch import save_file

BLOCK = 256
MARGIN = 1e-6
SIGNED, UNSIGNED = create_dynamic_map(signed=True), create_dynamic_map(signed=False)
# Neither size is a multiple of 256; a tensor with fewer than 4096 elements has its state in float32.
SHAPES = {"weight": (43, 100), "bias": (4097,), "few": (61,)}
KEPT = ("state1", "state2", "absmax1", "absmax2")
CASES = [
    {"rates": [0.0, 1e-3, 5e-3, 1e-2, 2e-3], "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01, "dtype": "float32"},
    {"rates": [3e-2] * 5, "betas": (0.8, 0.98), "eps": 1e-4, "weight_decay": 0.1, "dtype": "float32"},
    {"rates": [1e-2] * 5, "betas": (0.9, 0.95), "eps": 1e-6, "weight_decay": 0.0, "dtype": "bfloat16"},
]


def quantize(numbers, code, absmax_out, codes_out, blocksize):
    codes, absmax = torch.ops.bitsandbytes.quantize_blockwise(numbers.double(), code, blocksize)
    if code[0] == 0:
        codes = codes.clamp_min((numbers != 0).to(codes.dtype))
    codes_out.copy_(codes)
    absmax_out.copy_(absmax)
    assert not undecided(numbers.double().flatten(), code).any()


ops._quant_blockwise_fp32_direct = quantize


def blocks_of(numbers):
    return torch.nn.functional.pad(numbers, (0, -numbers.numel() % BLOCK)).view(-1, BLOCK)


def undecided(numbers, code):
    """Which numbers are near the middle between two codes, relative to their size."""
    blocks = blocks_of(numbers)
    shares = (blocks / blocks.abs().amax(1, keepdim=True)).flatten()[: numbers.numel()]
    middles = (code[1:].double() + code[:-1].double()) / 2
    after = torch.bucketize(shares, middles).clamp(1, len(middles) - 1)
    distance = torch.minimum((shares - middles[after]).abs(), (shares - middles[after - 1]).abs())
    return (distance < MARGIN * shares.abs()) & (shares != 0)


def decoded(state, moment, code):
    scales = state[f"absmax{moment}"].double().repeat_interleave(BLOCK)
    codes = state[f"state{moment}"].flatten().long()
    return code.double()[codes] * scales[: codes.numel()]


def undecided_after(gradient, state, betas):
    g = gradient.double().flatten()
    if "absmax1" not in state:
        state = {f"{kind}{i}": torch.zeros(g.numel(), dtype=torch.uint8) for kind in ("state", "absmax") for i in (1, 2)}
    mean = betas[0] * decoded(state, 1, SIGNED) + (1 - betas[0]) * g
    square = betas[1] * decoded(state, 2, UNSIGNED) + (1 - betas[1]) * g * g
    return undecided(mean, SIGNED) | undecided(square, UNSIGNED)


def drawn(step, shape, generator):
    """Sizes differ by step, by block and within blocks. Some elements never have a gradient, some from step 3 on, a block not before step 3."""
    flat = torch.randn(shape, generator=generator).flatten() * 10.0 ** (step % 4 - 3)
    flat[256:512] *= 1e-4
    flat[512:768] *= torch.logspace(-9, 0, 256)[: len(flat[512:768])]
    flat[:5] = 0
    flat[768:1024] *= step >= 3
    flat[20:40] *= step < 3
    flat[1024:1280] = 0
    return flat.view(shape).bfloat16()


def gradient_at(step, name, runs, generator):
    gradient = drawn(step, SHAPES[name], generator)
    if name == "few":
        return gradient
    while True:
        changed = torch.zeros(gradient.numel(), dtype=torch.bool)
        for run in runs:
            changed |= undecided_after(gradient, run["optimizer"].state[run["parameters"][name]], run["case"]["betas"])
        if not changed.any():
            return gradient
        flat = gradient.view(-1)
        flat[changed] = torch.where(flat[changed] == 0, torch.tensor(1e-5).bfloat16(), flat[changed] * 1.015625)


def started(case, start):
    parameters = {name: t.clone().to(getattr(torch, case["dtype"])).requires_grad_() for name, t in start.items()}
    groups = [
        {"params": [parameters["weight"], parameters["few"]], "weight_decay": case["weight_decay"]},
        {"params": [parameters["bias"]], "weight_decay": 0.0},
    ]
    return {"case": case, "parameters": parameters, "optimizer": AdamW8bit(groups, lr=0.0, betas=case["betas"], eps=case["eps"])}


def take_step(run, step, gradients):
    for name, parameter in run["parameters"].items():
        parameter.grad = gradients[name].to(parameter.dtype)
    for group in run["optimizer"].param_groups:
        group["lr"] = run["case"]["rates"][step]
    run["optimizer"].step()


def remembered(run, prefix):
    """The parameters and their state."""
    found = {}
    for name, parameter in run["parameters"].items():
        found[f"{prefix}.{name}"] = parameter.detach().clone()
        for key, value in run["optimizer"].state[parameter].items():
            if key in KEPT:
                found[f"{prefix}.{name}.{key}"] = value.clone()
    return found


generator = torch.Generator().manual_seed(8)
start = {name: torch.randn(shape, generator=generator).bfloat16() for name, shape in SHAPES.items()}
runs = [started(case, start) for case in CASES]
tensors = {"signed": SIGNED, "unsigned": UNSIGNED, **{f"start.{name}": t for name, t in start.items()}}
for step in range(5):
    gradients = {name: gradient_at(step, name, runs, generator) for name in SHAPES}
    tensors |= {f"gradient.{step}.{name}": t for name, t in gradients.items()}
    for i, run in enumerate(runs):
        take_step(run, step, gradients)
        if step in (0, 2, 4):
            tensors |= remembered(run, f"{i}.{step}")

cases = [
    {
        "dtype": case["dtype"],
        "rates": case["rates"],
        "options": {
            "adamBeta1": case["betas"][0],
            "adamBeta2": case["betas"][1],
            "adamEpsilon": case["eps"],
            "weightDecay": case["weight_decay"],
        },
    }
    for case in CASES
]
versions = {"torch": torch.__version__, "bitsandbytes": bitsandbytes.__version__}
folder = Path(__file__).parent
(folder / "adamw8bit.json").write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n")
save_file({name: t.contiguous() for name, t in tensors.items()}, folder / "adamw8bit.safetensors")
