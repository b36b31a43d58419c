"""Checkpoints of a DoRA trained by PEFT, with ΔM, ΔD and regression lines by numpy and scipy.

    VENV/bin/python test/golden/packed.py test/golden/analysis/make_analysis.py    # needs torch, transformers, peft, scipy
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from scipy import stats
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from adapters import load_adapter, sort_lists  # noqa: E402
from checkpoints import load  # noqa: E402
from families import FAMILIES  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402

BERT = next(family for family in FAMILIES if family.name == "bert")
CHECKPOINT = HERE.parent / "bert" / "single"
RECIPE = {"r": 3, "lora_alpha": 5, "target_modules": ["query", "intermediate.dense"], "use_dora": True}
SAVED = ("lora", "dora-wide", "dora-embedding", "vera", "adalora")  # of bert/adapters


def train(folder: Path) -> None:
    """Nine AdamW steps on random tokens, with a checkpoint after every third, as a trainer writes them."""
    torch.manual_seed(4)
    model = get_peft_model(load(BERT, CHECKPOINT, "single"), LoraConfig(task_type="SEQ_CLS", **RECIPE))
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=2e-2)
    ids = torch.randint(5, 40, (8, 12))
    labels = torch.arange(8) % 3
    for step in range(1, 10):
        loss = nn.functional.cross_entropy(model(input_ids=ids).logits, labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 3 == 0:
            model.save_pretrained(folder / f"checkpoint-{step}")
            (folder / f"checkpoint-{step}" / "README.md").unlink()
            config = folder / f"checkpoint-{step}" / "adapter_config.json"
            config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": None}))
            sort_lists(config)


def weights_of(model: PeftModel) -> dict[str, np.ndarray]:
    """The adapted layers' weights as PEFT merges them, [out, in] in float64."""
    paths = [name for name, module in model.base_model.model.named_modules() if hasattr(module, "base_layer")]
    merged = dict(model.merge_and_unload().named_parameters())
    return {path: oriented(path, merged[f"{path}.weight"].detach().numpy()) for path in paths}


def oriented(path: str, weight: np.ndarray) -> np.ndarray:
    return weight.T if path.endswith("embeddings") else weight


def change(before: np.ndarray, after: np.ndarray, axis: str) -> dict[str, float]:
    """The formulas of section 3.2 of DoRA; the paper's columns are the inputs."""
    norm = {"out": 1, "in": 0}[axis]
    m0, m = np.linalg.norm(before, axis=norm), np.linalg.norm(after, axis=norm)
    cosine = (before * after).sum(axis=norm) / (m0 * m)
    return {"deltaM": float(np.abs(m - m0).sum() / len(m)), "deltaD": float((1 - cosine).sum() / len(m))}


def changes(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    after = weights_of(load_adapter(BERT, CHECKPOINT, "single", folder, torch.float64))
    pretrained = load_file(CHECKPOINT / "model.safetensors")
    before = {path: oriented(path, pretrained[f"{path}.weight"].astype(np.float64)) for path in after}
    return {axis: {path: change(before[path], after[path], axis) for path in after} for axis in ("out", "in")}


def line(points: list[dict[str, float]]) -> dict[str, float]:
    fit = stats.linregress([p["deltaD"] for p in points], [p["deltaM"] for p in points])
    return {"slope": fit.slope, "intercept": fit.intercept, "correlation": fit.rvalue}


def main() -> None:
    folder = HERE / "peft-dora"
    shutil.rmtree(folder, ignore_errors=True)
    train(folder)
    steps = {step: changes(folder / f"checkpoint-{step}") for step in (3, 6, 9)}
    fits = {}
    for axis in ("out", "in"):
        found = [(path, point) for step in steps.values() for path, point in step[axis].items()]
        kinds = {kind: [p for path, p in found if path.endswith(kind)] for kind in ("query", "intermediate.dense")}
        fits[axis] = {"all": line([p for _, p in found])} | {kind: line(points) for kind, points in kinds.items()}
    saved = {name: changes(HERE.parent / "bert" / "adapters" / name) for name in SAVED}
    (HERE / "analysis.json").write_text(json.dumps({"steps": steps, "fits": fits, "adapters": saved}, indent=1) + "\n")


if __name__ == "__main__":
    main()
