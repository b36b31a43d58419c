"""Logits, hidden states and losses of checkpoints without adapters; gradients of full fine-tuning."""

import json
from pathlib import Path

import torch
from checkpoints import load, write_tensors
from families import Family
from texts import MAX_LENGTH, Batch, encode, load_tokenizer
from torch import nn

# checkpoint, head, rows
CASES = (
    ("single", "single", "texts"),
    ("single", "single", "pairs"),
    ("multi", "multi", "multi"),
    ("regression", "regression", "regression"),
    ("tokens", "tokens", "tokens"),
    ("lm", "lm", "language"),
    ("lm-other", "lm", "language"),
    ("no-prefix", "none", "texts"),
)
ROWS_OF = {"single": "texts", "multi": "multi", "regression": "regression", "tokens": "tokens", "lm": "language"}


def read_batch(family: Family, root: Path, head: str, rows: str, part: slice = slice(None)) -> Batch:
    lines = (root / "rows" / f"{rows}.jsonl").read_text().splitlines()
    return encode(load_tokenizer(family, head == "tokens"), [json.loads(line) for line in lines][part], head)


def run(model: nn.Module, batch: Batch, head: str):
    """The model's hidden states and, if it has a head, its logits and loss."""
    labels = {} if head == "none" else {"labels": batch.labels}
    return model(**batch.inputs, **labels, output_hidden_states=True)


def outputs(batch: Batch, output, head: str) -> dict[str, torch.Tensor]:
    hidden = {f"hidden.{i}": batch.flat(states) for i, states in enumerate(output.hidden_states)}
    if head == "none":
        return hidden
    logits = batch.flat(output.logits) if head in ("tokens", "lm") else output.logits
    return hidden | {"logits": logits, "loss": output.loss}


def write_forward(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes forward/*.safetensors; returns the manifest's entries."""
    entries = []
    for checkpoint, head, rows in CASES:
        if not (target / checkpoint).exists() or family.is_decoder and family.depth == 1 and rows == "pairs":
            continue
        batch = read_batch(family, root, "single" if head == "none" else head, rows)
        model = load(family, target / checkpoint, head)
        with torch.no_grad():
            tensors = batch.tensors() | outputs(batch, run(model, batch, head), head)
        if checkpoint == "lm-other":
            tensors = {key: t for key, t in tensors.items() if not key.startswith("hidden")}
        file = f"forward/{checkpoint}-{rows}.safetensors"
        write_tensors(target / file, tensors)
        entries.append({"checkpoint": checkpoint, "head": head, "rows": rows, "maxLength": MAX_LENGTH, "file": file})
    return entries


def write_full_gradient(family: Family, root: Path, target: Path) -> dict:
    """Gradients of every parameter of the `single` checkpoint for the rows `texts`."""
    batch = read_batch(family, root, "single", "texts")
    model = load(family, target / "single", "single")
    run(model, batch, "single").loss.backward()
    gradients = {f"grad.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    file = "forward/full-gradient.safetensors"
    write_tensors(target / file, gradients)
    return {"checkpoint": "single", "batch": "forward/single-texts.safetensors", "file": file}
