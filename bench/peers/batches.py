"""Batches for both kinds of input: random tokens of one length, or rows padded to the longest in their batch."""

import json

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

PAD = 1
NO_LOSS = -100


def make_batches(spec):
    """The batches of one pass, in order, as the model's inputs."""
    return random_batches(spec["shape"]) if "shape" in spec else real_batches(spec)


def random_batches(shape):
    generator = torch.Generator().manual_seed(0)
    size = (shape["rows"], shape["length"])

    def batch():
        ids = torch.randint(5, 50000, size, generator=generator)
        labels = torch.randint(0, 2, size[:1], generator=generator)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}

    return [batch() for _ in range(8)]


def real_batches(spec):
    with open(spec["data"]) as file:
        rows = json.load(file)["rows"]
    size = spec["batchSize"]
    order = range(len(rows)) if spec.get("isInOrder") else order_of(rows, size, spec.get("bucketBatches"))
    chosen = [[rows[i] for i in order[start : start + size]] for start in range(0, len(rows), size)]
    return [collate(batch, spec["kind"]) for batch in chosen]


def order_of(rows, size, bucket_batches):
    """A random order; or that of the Trainer's train_sampling_strategy="group_by_length", sorted by length within mega-batches."""
    generator = torch.Generator().manual_seed(0)
    if bucket_batches is None:
        return torch.randperm(len(rows), generator=generator).tolist()
    lengths = [len(row["ids"]) for row in rows]
    return get_length_grouped_indices(lengths, size, mega_batch_mult=bucket_batches, generator=generator)


def collate(rows, kind):
    ids = padded([row["ids"] for row in rows], PAD)
    mask = padded([[1] * len(row["ids"]) for row in rows], 0)
    labels = [row["label"] for row in rows]
    if kind == "causal-lm":
        targets = padded(labels, NO_LOSS)
    else:
        targets = torch.tensor(labels, dtype=torch.float32 if kind == "regression" else torch.int64)
    return {"input_ids": ids, "attention_mask": mask, "labels": targets}


def padded(lists, value):
    longest = max(map(len, lists))
    return torch.tensor([one + [value] * (longest - len(one)) for one in lists])


def count_targets(batches, kind):
    """The number of targets in the loss: rows, or tokens that are predicted from the one before."""
    if kind != "causal-lm":
        return sum(len(batch["labels"]) for batch in batches)
    return sum((batch["labels"][:, 1:] != NO_LOSS).sum().item() for batch in batches)
