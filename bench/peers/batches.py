"""Batches for both kinds of input: random tokens of one length, or real rows padded to the longest of their batch."""

import json

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

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
    order = order_of(rows, size, spec.get("bucketBatches"))
    chosen = [[rows[i] for i in order[start : start + size]] for start in range(0, len(rows), size)]
    return [collate(batch, spec["labels"]) for batch in chosen]


def order_of(rows, size, bucket_batches):
    """At random; or as the Trainer's train_sampling_strategy="group_by_length": by length within stretches of batches."""
    generator = torch.Generator().manual_seed(0)
    if bucket_batches is None:
        return torch.randperm(len(rows), generator=generator).tolist()
    lengths = [len(row["ids"]) for row in rows]
    return get_length_grouped_indices(lengths, size, mega_batch_mult=bucket_batches, generator=generator)


def collate(rows, labels):
    longest = max(len(row["ids"]) for row in rows)
    ids = torch.tensor([row["ids"] + [PAD] * (longest - len(row["ids"])) for row in rows])
    targets = torch.tensor([row["label"] for row in rows], dtype=torch.float32 if labels == 1 else torch.int64)
    return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": targets}
