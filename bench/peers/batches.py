"""Batches for both kinds of input: random tokens of one length, or real rows padded to the longest of their batch."""

import json

import torch

PAD = 1


def make_batches(spec):
    """The batches of one pass, in order, as what the model takes."""
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
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = [[rows[i] for i in order[start : start + size]] for start in range(0, len(rows), size)]
    return [collate(batch, spec["labels"]) for batch in chosen]


def collate(rows, labels):
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.tensor([row["ids"] + [PAD] * (longest - len(row["ids"])) for row in rows])
    targets = torch.tensor([row["label"] for row in rows], dtype=torch.float32 if labels == 1 else torch.int64)
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": targets}
