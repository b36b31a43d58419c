"""Logits and gradients under dropout, with the dropout masks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from adapters import ADALORA, ALL_LINEAR, QUERY_VALUE, VERA, gradients, load_adapter, task_model, write_adapter
from checkpoints import write_tensors
from families import Family
from forward import read_batch, run
from torch import nn

LORA_DROPOUT = {"lora_dropout": 0.2}
RECIPES = {
    "lora-dropout": QUERY_VALUE | LORA_DROPOUT,
    "dora-dropout": QUERY_VALUE | LORA_DROPOUT | {"use_dora": True},
    "vera-dropout": VERA | {"target_modules": ["query", "value"], "vera_dropout": 0.2},
    "adalora-dropout": ADALORA | LORA_DROPOUT,
    "dora-all-linear-dropout": ALL_LINEAR | LORA_DROPOUT | {"use_dora": True},
}
ROWS = slice(0, 5, 2)


def plain_path(name: str) -> str:
    """The module path without PEFT's additions."""
    name = name.removeprefix("base_model.model.")
    return name.replace(".modules_to_save.default", "").removesuffix(".default")


@contextmanager
def captured_masks(model: nn.Module) -> Iterator[dict[str, torch.Tensor]]:
    """Replaces dropout by seeded dropout; yields its masks (1: kept) by module path, which are filled while the model runs."""
    masks: dict[str, torch.Tensor] = {}
    running: list[tuple[str, nn.Module]] = []
    generator = torch.Generator().manual_seed(11)
    original = nn.functional.dropout

    def dropout(x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or p == 0:
            return x
        keep = torch.rand(x.shape, generator=generator) >= p
        path, module = running[-1]
        path = path if isinstance(module, nn.Dropout) else path + ".dropout"
        calls = sum(name == path or name.startswith(path + "#") for name in masks)
        masks[path if calls == 0 else f"{path}#{calls}"] = keep
        return x * keep / (1 - p)

    def leave(*_) -> None:
        running.pop()

    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda module, _, path=plain_path(name): running.append((path, module))))
        handles.append(module.register_forward_hook(leave))
    nn.functional.dropout = dropout
    try:
        yield masks
    finally:
        nn.functional.dropout = original
        for handle in handles:
            handle.remove()


def write_dropout(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes dropout-runs/*/ and dropout-runs/*.safetensors; returns the manifest's entries."""
    batch = read_batch(family, root, "single", "pairs", ROWS)
    entries = []
    for name, recipe in RECIPES.items():
        if name in ("adalora-dropout", "dora-all-linear-dropout") and family.depth < 3:
            continue
        if family.recipes and name.removesuffix("-dropout") not in family.recipes:
            continue
        path = target / "dropout-runs" / name
        write_adapter(family, target / "dropout", "single", recipe, path)
        model = load_adapter(family, target / "dropout", "single", path)
        with captured_masks(model.train()) as masks:
            output = run(task_model(model), batch, "single")
        output.loss.backward()
        tensors = batch.tensors() | {"logits": output.logits, "loss": output.loss} | gradients(model)
        tensors |= {f"mask.{path}": mask.to(torch.uint8) for path, mask in masks.items()}
        write_tensors(path.with_suffix(".safetensors"), tensors)
        entries.append({"name": name, "checkpoint": "dropout", "adapter": f"dropout-runs/{name}", "file": f"dropout-runs/{name}.safetensors"})
    return entries
