"""Twelve AdamW steps from a saved adapter, with rows in file order."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from adapters import load_adapter, task_model, trained
from checkpoints import write_tensors
from families import Family
from forward import read_batch, run
from texts import MAX_LENGTH, Batch

STEPS = 12
BATCH_SIZE = 4
DEFAULTS = {
    "maxLength": MAX_LENGTH, "maxSteps": STEPS, "batchSize": BATCH_SIZE, "gradientAccumulation": 1, "learningRate": 3e-3, "weightDecay": 0.01, "adamBeta1": 0.9,
    "adamBeta2": 0.999, "adamEpsilon": 1e-8, "warmupRatio": 0.25, "schedule": "linear", "maxGradNorm": None,
}
ILL_CONDITIONED = 1e-3  # such as the key part of a fused bias, whose gradient is rounding error that Adam amplifies
RUNS = {
    "lm-lora-linear": ("lm-lora", {}),
    "lm-dora-accumulated": ("lm-dora", {"gradientAccumulation": 2, "maxGradNorm": 0.5}),
    "lora-linear": ("lora", {}),
    "lora-cosine": ("lora", {"schedule": "cosine", "adamBeta2": 0.98, "adamEpsilon": 1e-6, "weightDecay": 0.1}),
    "lora-clipped-accumulated": ("lora", {"maxGradNorm": 0.5, "gradientAccumulation": 2}),
    "lora-bias-only-constant": ("lora-bias-only", {"schedule": "constant", "warmupRatio": 0.1}),
    "rslora-patterns-linear": ("rslora-patterns", {}),
    "dora-linear": ("dora", {}),
    "dora-all-linear-cosine": ("dora-all-linear", {"schedule": "cosine"}),
    "lora-embedding-linear": ("lora-embedding", {}),
    "dora-embedding-linear": ("dora-embedding", {}),
    "dora-embedding-clipped-accumulated": ("dora-embedding", {"maxGradNorm": 0.5, "gradientAccumulation": 2}),
    "vera-linear": ("vera", {"weightDecay": 0.1}),
    "vera-all-linear-clipped-accumulated": ("vera-all-linear", {"maxGradNorm": 0.5, "gradientAccumulation": 2, "learningRate": 1e-2}),
    "adalora-linear": ("adalora", {}),
    "adalora-clipped-accumulated": ("adalora", {"maxGradNorm": 0.5, "gradientAccumulation": 2, "weightDecay": 0.1}),
    "adalora-masked-linear": ("adalora-masked", {}),
    "adalora-bias-only-constant": ("adalora-bias-only", {"schedule": "constant", "warmupRatio": 0.1}),
    "ia3-linear": ("ia3", {"weightDecay": 0.1, "learningRate": 1e-2}),
    "ia3-all-linear-clipped-accumulated": ("ia3-all-linear", {"maxGradNorm": 0.5, "gradientAccumulation": 2}),
    "lm-ia3-linear": ("lm-ia3", {"learningRate": 1e-2}),
    "dora-wide-clipped-accumulated": ("dora-wide", {"maxGradNorm": 0.5, "gradientAccumulation": 2}),
}


def factor(step: int, steps: int, warmup_ratio: float, schedule: str) -> float:
    """The learning rate's factor at `step`, from 0."""
    warmup = math.ceil(warmup_ratio * steps)
    if step < warmup:
        return step / warmup
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return (steps - step) / (steps - warmup)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def batches(family: Family, root: Path, size: int, first: int = 0, last: int = 22, head: str = "single") -> Iterator[Batch]:
    """Batches of rows `first` to `last` of train.jsonl in order, repeatedly; the incomplete last batch is kept."""
    pass_ = [read_batch(family, root, head, "train", slice(start, min(start + size, last))) for start in range(first, last, size)]
    while True:
        yield from pass_


def weight(batch: Batch) -> int:
    """The number of rows, or of a language model's predicted tokens, that a batch's mean loss averages over."""
    return len(batch.labels) if batch.labels.dim() == 1 else int((batch.labels[:, 1:] != -100).sum())


def decays(name: str) -> bool:
    """Whether weight decay applies: not to biases (including MPNet's table of them) and norm weights, as in transformers' Trainer."""
    return "bias" not in name and not re.search(r"(norm|ln_\w)\.weight", name, re.IGNORECASE)


def train(model, stream: Iterator[Batch], settings: dict) -> dict:
    """Trains in place; returns loss, learning rate and gradient norm of each step."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if decays(name)], "weight_decay": settings["weightDecay"]},
        {"params": [p for name, p in named if not decays(name)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(settings["adamBeta1"], settings["adamBeta2"]), eps=settings["adamEpsilon"])
    ranks = sum(len(p) for name, p in named if "lora_E" in name)
    log = {"losses": [], "learningRates": [], "gradientNorms": []}
    allocator = getattr(getattr(model, "base_model", None), "rankallocator", None)
    for step in range(settings["maxSteps"]):
        rate = settings["learningRate"] * factor(step, settings["maxSteps"], settings["warmupRatio"], settings["schedule"])
        losses = []
        taken = [next(stream) for _ in range(settings["gradientAccumulation"])]
        total = sum(weight(batch) for batch in taken)
        for batch in taken:
            share = weight(batch) / total
            loss = run(model, batch, "single").loss * share
            loss.backward()
            losses.append(loss.item() if allocator is None else task_loss(model, batch) * share)
        limit = settings["maxGradNorm"] or math.inf
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], limit)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        if allocator is not None and ranks > allocator.target_bgt:  # PEFT counts a saved adapter's ranks as initial ones, so it would prune all
            model.base_model.update_and_allocate(step + 1)
        optimizer.zero_grad()
        log["losses"].append(sum(losses))
        log["learningRates"].append(rate)
        log["gradientNorms"].append(norm.item())
    return log


@torch.no_grad()
def task_loss(model, batch: Batch) -> float:
    """The loss without AdaLoRA's penalty."""
    return run(task_model(model), batch, "single").loss.item()


def ranks_left(model) -> dict:
    """Which of each layer's initial ranks AdaLoRA has kept."""
    pattern = getattr(model.peft_config["default"], "rank_pattern", None) if hasattr(model.base_model, "update_and_allocate") else None
    return {} if pattern is None else {"rankPattern": {name.replace(".default", ""): kept for name, kept in pattern.items()}}


def update_error(start: dict, end: dict, reference: dict) -> float:
    """The relative error of the update `end - start` over all tensors."""
    square = lambda a, b: sum((a[name].double() - b[name].double()).square().sum().item() for name in a)
    return math.sqrt(square(end, reference) / square(reference, start))


def write_training(family: Family, root: Path, target: Path, runs: dict = RUNS, finish: Callable = lambda model: None) -> list[dict]:
    """Writes training/*.safetensors; returns the manifest's entries (with the distance to float64, a measure of conditioning)."""
    entries = []
    for name, (adapter, changes) in runs.items():
        if not (target / "adapters" / adapter).exists():
            continue
        settings = DEFAULTS | changes
        finals = {}
        head = "lm" if adapter.startswith("lm-") else "single"
        for dtype in (torch.float64, torch.float32):
            model = load_adapter(family, target / head, head, target / "adapters" / adapter, dtype)
            start = {key: value.clone() for key, value in trained(model, lambda p: p.detach()).items()}
            log = train(model, batches(family, root, settings["batchSize"], head=head), settings)
            finish(model)
            finals[dtype] = trained(model, lambda p: p.detach())
        distance = update_error(start, finals[torch.float32], finals[torch.float64])
        if distance > ILL_CONDITIONED:
            continue
        file = f"training/{name}.safetensors"
        write_tensors(target / file, finals[torch.float32])
        print(f"  {family.name} training {name}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}, float64 differs by {distance:.1e}")
        entries.append({
            "name": name, "checkpoint": head, "adapter": f"adapters/{adapter}", "rows": "train", "file": file,
            "settings": settings, **log, **ranks_left(model), "float64Distance": distance,
        })
    return entries
