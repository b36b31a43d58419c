"""The peer that embeds texts: sentence-transformers' `encode`, tokenization included. Precisions are those of peft_worker.py."""

import json

import sentence_transformers
import torch
from peft_worker import for_inference
from protocol import serve


def prepare(spec):
    torch.set_num_threads(spec["threads"])
    model, context = for_inference(sentence_transformers.SentenceTransformer(spec["model"], device="cpu"), spec)
    with open(spec["texts"]) as file:
        texts = json.load(file)

    def encode():
        with context():
            model.encode(texts, batch_size=spec["batchSize"])

    versions = {"torch": torch.__version__, "sentenceTransformers": sentence_transformers.__version__}
    return {**versions, "threads": torch.get_num_threads()}, encode


if __name__ == "__main__":
    serve(prepare)
