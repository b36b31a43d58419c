"""The peer for embeddings: sentence-transformers' pooling and ranking loss over transformers with PEFT, as its trainer and `encode` run them.

Rows are tokenized in advance. `encode` sorts texts by length, the longest first. Precisions are those of peft_worker.py.
"""

import itertools
import json

import peft
import sentence_transformers
import torch
import transformers
from batches import PAD, padded
from peft_worker import TARGETS, for_inference, training
from protocol import serve
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Pooling


class Embedder(torch.nn.Module):
    def __init__(self, spec):
        super().__init__()
        dtype = torch.bfloat16 if spec["precision"] == "bfloat16-weights" else torch.float32
        encoder = transformers.AutoModel.from_pretrained(
            spec["model"], dtype=dtype, attn_implementation="sdpa", add_pooling_layer=False
        )
        config = peft.LoraConfig(
            task_type="FEATURE_EXTRACTION",
            r=spec["rank"],
            lora_alpha=2 * spec["rank"],
            target_modules=TARGETS[spec["targets"]],
        )
        self.pooling = Pooling(encoder.config.hidden_size)
        self.encoder = peft.get_peft_model(encoder, config)

    def forward(self, features):
        states = self.encoder(**features).last_hidden_state
        return self.pooling({"token_embeddings": states, "attention_mask": features["attention_mask"]})


def features_of(rows):
    return {"input_ids": padded(rows, PAD), "attention_mask": padded([[1] * len(row) for row in rows], 0)}


def ranking(model, spec):
    loss = MultipleNegativesRankingLoss(model)
    sides = ("ids", "label")
    return training(model, spec, lambda rows: loss([features_of([row[side] for row in rows]) for side in sides], None))


def encoding(model, spec):
    model.encoder = model.encoder.merge_and_unload()
    model, context = for_inference(model, spec)

    def step(rows):
        with torch.inference_mode(), context():
            return model(features_of([row["ids"] for row in rows]))["sentence_embedding"].float().numpy()

    return step


def prepare(spec):
    torch.manual_seed(0)
    torch.set_num_threads(spec["threads"])
    with open(spec["data"]) as file:
        rows = json.load(file)["rows"]
    is_encoding = spec["task"] == "predict"
    if is_encoding:
        rows.sort(key=lambda row: -len(row["ids"]))
    size = spec["batchSize"]
    batches = itertools.cycle([rows[start : start + size] for start in range(0, len(rows), size)])
    count = -(-len(rows) // size) if spec["unit"] == "pass" else 1
    model = Embedder(spec)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    step = (encoding if is_encoding else ranking)(model, spec)

    def run():
        for _ in range(count):
            step(next(batches))

    facts = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentenceTransformers": sentence_transformers.__version__,
        "threads": torch.get_num_threads(),
        "trained": trained,
    }
    return facts, run


if __name__ == "__main__":
    serve(prepare)
