"""Golden runs with other upper levels than BiDoRA's: groups of tensors of PEFT's methods, and weights of the rows' sources.

The levels, the step and the estimators are those of bidora_reference.py; the model is PEFT's own, on the golden checkpoints of BERT and GPT-2.

    python test/golden/packed.py test/golden/upper/make_upper.py
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from adapters import load_adapter, saved_name, task_model
from bidora import ALL_ROWS, LOWER_ROWS, head_of, named, rounded, settings
from bidora_reference import AdamW, Run, Tensors, retrain, search
from checkpoints import write_json, write_tensors
from families import FAMILIES, Family
from forward import read_batch
from peft import PeftModel
from precision import keep_float64
from torch import nn
from torch.func import functional_call
from training import BATCH_SIZE

GOLDEN = Path(__file__).parents[1]
OWN = Path(__file__).parent
LOGITS = "upper.sources"
SOURCES = 3
DECAYED = AdamW(weight_decay=0.1)
SHORT = {"search_steps": 5, "retrain_steps": 3, "upper_rate": 5e-3}
WEIGHTED = {"search_steps": 6, "retrain_steps": 3, "upper_rate": 5e-2, "upper": DECAYED}
CASES = {  # name: adapter, group, run
    "lora-b-exact": ("lora", "lora-b", Run("exact", "learning-rate", upper=DECAYED, **SHORT)),
    "lora-b-finite-difference": ("lora", "lora-b", Run("finite-difference", "optimizer", **SHORT)),
    "head-exact": ("lora", "head", Run("exact", **SHORT, upper=DECAYED)),
    "vera-exact": ("vera", "vera", Run("exact", **SHORT, upper=DECAYED)),
    "ia3-cg": ("ia3", "ia3", Run("cg", **SHORT)),
    "sources-exact": ("lora", "sources", Run("exact", "learning-rate", **WEIGHTED)),
    "sources-exact-optimizer": ("lora", "sources", Run("exact", "optimizer", **WEIGHTED)),
    "sources-finite-difference": ("lora", "sources", Run("finite-difference", **WEIGHTED)),
    "sources-forward-difference": ("lora", "sources", Run("forward-difference", **WEIGHTED)),
    "sources-neumann": ("lora", "sources", Run("neumann", **WEIGHTED)),
    "sources-vera": ("vera", "sources", Run("exact", "optimizer", **WEIGHTED)),
}
LANGUAGE_CASES = {"lm-sources-exact": ("lm-lora", "sources", Run("exact", "optimizer", **WEIGHTED))}
IS_UPPER: dict[str, Callable[[str], bool]] = {
    "lora-b": lambda name: ".lora_B." in name,
    "head": lambda name: ".lora_" not in name and "vera_" not in name and "ia3_" not in name,
    "vera": lambda name: "vera_lambda" in name,
    "ia3": lambda name: "ia3_l" in name,
    "sources": lambda name: False,
}


def source_of(row: int) -> int:
    """Unequal sources, of which batches lack some."""
    return 0 if row % 5 < 3 else 1 if row % 2 else 2


@dataclass(frozen=True)
class SourcedBatch:
    inputs: dict
    labels: torch.Tensor
    sources: torch.Tensor  # of each row


@dataclass(frozen=True)
class PeftProblem:
    """PEFT's model as a function of what is trained: `directions` below, `magnitudes` above."""

    model: PeftModel
    gamma: float = 0.0

    def row_losses(self, directions: Tensors, magnitudes: Tensors, batch: SourcedBatch) -> tuple[torch.Tensor, int]:
        """The loss of each row, as a sum over its labels, and the number of all labels."""
        tensors = directions | {name: t for name, t in magnitudes.items() if name != LOGITS}
        weights = {name: tensors[saved_name(name)] for name, p in self.model.named_parameters() if saved_name(name) in tensors}
        prefix = "base_model.model."
        inside = {name.removeprefix(prefix): t for name, t in weights.items()}
        logits = functional_call(task_model(self.model), inside, (), batch.inputs).logits
        each = nn.CrossEntropyLoss(reduction="none", ignore_index=-100)
        if batch.labels.dim() == 1:
            return each(logits, batch.labels), len(batch.labels)
        labels = batch.labels[:, 1:]
        return each(logits[:, :-1].transpose(1, 2), labels).sum(1), int((labels != -100).sum())

    def loss(self, directions: Tensors, magnitudes: Tensors, batch: SourcedBatch, norms_at=None) -> torch.Tensor:
        losses, count = self.row_losses(directions, magnitudes, batch)
        return losses.sum() / count

    def lower_loss(self, directions: Tensors, magnitudes: Tensors, batch: SourcedBatch, norms_at=None) -> torch.Tensor:
        """A row's part is multiplied by S·w of its source, w = softmax(a); the divisor stays."""
        if LOGITS not in magnitudes:
            return self.loss(directions, magnitudes, batch)
        losses, count = self.row_losses(directions, magnitudes, batch)
        weights = SOURCES * torch.softmax(magnitudes[LOGITS], 0)
        return (weights[batch.sources] * losses).sum() / count

    def regularizer(self, directions: Tensors) -> float:
        return 0.0

    train_loss = lower_loss


def stream(family: Family, root: Path, head: str, first: int, last: int) -> Iterator[SourcedBatch]:
    """Batches of rows `first` to `last` in order, repeatedly; the incomplete last batch is kept."""
    while True:
        for start in range(first, last, BATCH_SIZE):
            end = min(start + BATCH_SIZE, last)
            batch = read_batch(family, root, head, "train", slice(start, end))
            yield SourcedBatch(batch.inputs, batch.labels, torch.tensor([source_of(row) for row in range(start, end)]))


def write_run(family: Family, name: str, adapter: str, group: str, run: Run) -> dict:
    """Writes FAMILY-NAME.safetensors; returns the manifest's entry."""
    root, target, head = GOLDEN, GOLDEN / family.name, head_of(adapter)
    model = load_adapter(family, target / head, head, target / "adapters" / adapter, torch.float64)
    start = {saved_name(n): p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    directions = {n: t for n, t in start.items() if not IS_UPPER[group](n)}
    magnitudes = {n: t for n, t in start.items() if IS_UPPER[group](n)}
    if group == "sources":
        magnitudes = {LOGITS: torch.zeros(SOURCES, dtype=torch.float64)}
    problem = PeftProblem(model)
    rows = lambda first, last: stream(family, root, head, first, last)
    found, searched, search_log = search(problem, directions, magnitudes, rows(0, LOWER_ROWS), rows(LOWER_ROWS, ALL_ROWS), run)
    final, retrain_log = retrain(problem, directions, searched, rows(0, ALL_ROWS), run)
    file = f"{family.name}-{name}.safetensors"
    write_tensors(OWN / file, rounded(named("search", found | searched) | named("final", final)))
    print(f"  {family.name} upper {name}: hypergradient {search_log[-1]['hypergradientNorm']:.2e}")
    return {
        "family": family.name, "name": name, "group": group, "checkpoint": head, "adapter": f"adapters/{adapter}", "rows": "train", "file": file,
        "sources": [source_of(row) for row in range(ALL_ROWS)] if group == "sources" else None,
        "settings": settings(run) | {"regularizer": 0}, "log": {"search": search_log, "retrain": retrain_log},
    }


def main() -> None:
    torch.set_num_threads(1)
    keep_float64()
    warnings.filterwarnings("ignore")
    entries = []
    for family in FAMILIES:
        if family.name in ("bert", "gpt2"):
            cases = LANGUAGE_CASES if family.is_decoder else CASES
            entries += [write_run(family, name, *case) for name, case in cases.items()]
    write_json(OWN / "upper.json", entries)


if __name__ == "__main__":
    main()
