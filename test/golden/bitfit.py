"""BitFit in plain torch: trains every bias of a checkpoint, and the head."""

from pathlib import Path

import torch
from checkpoints import load, write_tensors
from families import Family
from training import BATCH_SIZE, DEFAULTS, batches, train


def is_trained(name: str) -> bool:
    """Excludes the bias of ESM's contact head, which no loss depends on."""
    return name.endswith(".bias") and "contact_head" not in name or name.startswith("classifier.")


def write_bitfit(family: Family, root: Path, target: Path) -> dict:
    """Writes training/bitfit.safetensors, the trained tensors after the last step; returns the manifest's entry."""
    model = load(family, target / "single", "single")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(name))
    settings = DEFAULTS | {"weightDecay": 0.1}
    log = train(model, batches(family, root, BATCH_SIZE), settings)
    file = "training/bitfit.safetensors"
    write_tensors(target / file, {name: p for name, p in model.named_parameters() if p.requires_grad})
    return {"checkpoint": "single", "rows": "train", "file": file, "settings": settings, **log}
