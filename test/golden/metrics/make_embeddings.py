"""Writes embeddings.json next to this file: retrieval metrics, correlations and hard negatives of given vectors.

    pip install sentence-transformers datasets
    python test/golden/metrics/make_embeddings.py

The values are those of sentence-transformers' InformationRetrievalEvaluator, EmbeddingSimilarityEvaluator and mine_hard_negatives, for a
model whose texts are the numbers of their vectors.
"""

import json
import random
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.sentence_transformer.evaluation import (
    EmbeddingSimilarityEvaluator,
    InformationRetrievalEvaluator,
)
from sentence_transformers.util import cos_sim, mine_hard_negatives, pairwise_cos_sim


class Model:
    """Gives a text its vector."""

    similarity_fn_name = "cosine"
    device = "cpu"
    similarity = staticmethod(cos_sim)
    similarity_pairwise = staticmethod(pairwise_cos_sim)

    def __init__(self, vectors):
        self.vectors = vectors

    def encode(self, texts, **kwargs):
        rows = np.array([self.vectors[text] for text in texts], dtype=np.float32)
        if kwargs.get("normalize_embeddings"):
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows if kwargs.get("convert_to_numpy") else torch.tensor(rows)

    encode_query = encode_document = encode


class Retrieval(InformationRetrievalEvaluator):
    def embed_inputs(self, model, sentences, *args, **kwargs):
        return model.encode(sentences)

    def store_metrics_in_model_card_data(self, *args):
        pass


class Similarity(EmbeddingSimilarityEvaluator):
    def store_metrics_in_model_card_data(self, *args):
        pass


def vectors_of(prefix, count, width, rng):
    return {f"{prefix}{i}": rng.standard_normal(width).round(3).tolist() for i in range(count)}


def retrieval(name, queries, documents, positives, rng, width=6):
    vectors = vectors_of("q", queries, width, rng)
    corpus = vectors_of("d", documents, width, rng)
    relevant = {q: sorted(rng.choice(documents, size=positives(i), replace=False).tolist()) for i, q in enumerate(vectors)}
    # Relevant documents are near their query.
    for query, places in relevant.items():
        for place in places:
            near = np.array(vectors[query]) + rng.standard_normal(width) * 1.2
            corpus[f"d{place}"] = near.round(3).tolist()
    evaluator = Retrieval(
        {q: q for q in vectors},
        {d: d for d in corpus},
        {q: {f"d{place}" for place in places} for q, places in relevant.items()},
        precision_recall_at_k=[1, 10],
        mrr_at_k=[10],
        ndcg_at_k=[10],
        map_at_k=[100],
        score_functions={"cosine": cos_sim},
        write_csv=False,
        corpus_chunk_size=17,
    )
    found = evaluator(Model(vectors | corpus))
    names = ["recall@1", "recall@10", "mrr@10", "ndcg@10", "map@100"]
    return {
        "name": name,
        "queries": list(vectors.values()),
        "documents": list(corpus.values()),
        "relevant": list(relevant.values()),
        "metrics": {metric: float(found[f"cosine_{metric}"]) for metric in names},
    }


def similarity(rng, pairs=40, width=6):
    left, right = vectors_of("a", pairs, width, rng), vectors_of("b", pairs, width, rng)
    scores = [round(float(score), 1) for score in rng.uniform(0, 5, pairs)]
    evaluator = Similarity(list(left), list(right), scores, main_similarity="cosine", write_csv=False)
    found = evaluator(Model(left | right))
    return {
        "left": list(left.values()),
        "right": list(right.values()),
        "scores": scores,
        "metrics": {name: float(found[f"{name}_cosine"]) for name in ["pearson", "spearman"]},
    }


SETTINGS = [
    {},
    {"num_negatives": 5, "range_min": 2},
    {"num_negatives": 2, "range_min": 1, "range_max": 6},
    {"num_negatives": 3, "absolute_margin": 0.1},
    {"num_negatives": 3, "relative_margin": 0.2},
    {"num_negatives": 3, "max_score": 0.3, "min_score": -0.2},
    {"num_negatives": 4, "range_min": 1, "range_max": 9, "relative_margin": 0.05, "max_score": 0.9},
    {"num_negatives": 50, "range_max": 100},
]


class Reranker:
    """Gives a pair its score."""

    def __init__(self, scores):
        self.scores = scores

    def predict(self, pairs, **kwargs):
        return torch.tensor([self.scores[query][document] for query, document in pairs])


# With limits: without any, mine_hard_negatives ignores the reranker.
RESCORED = [
    {"num_negatives": 3, "absolute_margin": 0.3},
    {"num_negatives": 3, "relative_margin": 0.2},
    {"num_negatives": 4, "range_min": 1, "range_max": 9, "max_score": 0.8},
    {"num_negatives": 2, "min_score": -0.5},
    {"num_negatives": 50, "range_max": 100, "max_score": 5.0},
]


def mining(rng, queries=12, documents=30, width=6):
    vectors = vectors_of("q", queries, width, rng) | vectors_of("d", documents, width, rng)
    pairs = [(f"q{i}", f"d{i}") for i in range(queries)] + [("q0", "d20"), ("q0", "d21"), ("q3", "d5")]
    dataset = Dataset.from_dict({"anchor": [q for q, _ in pairs], "positive": [d for _, d in pairs]})
    corpus = [f"d{i}" for i in range(10, documents)]
    own = np.random.default_rng(4)
    scores = {f"q{i}": {f"d{j}": round(float(own.standard_normal()), 5) for j in range(documents)} for i in range(queries)}

    def case(settings, **more):
        found = mine_hard_negatives(dataset, Model(vectors), corpus=corpus, verbose=False, **settings, **more)
        negatives = {}
        for row in found:
            negatives.setdefault(f"{row['anchor']} {row['positive']}", []).append(row["negative"])
        return {"settings": settings, "negatives": negatives}

    cases = [case(settings) for settings in SETTINGS]
    rescored = [case(settings, cross_encoder=Reranker(scores)) for settings in RESCORED]
    return {"vectors": vectors, "pairs": pairs, "corpus": corpus, "cases": cases, "scores": scores, "rescored": rescored}


def main():
    rng = np.random.default_rng(3)
    random.seed(3)
    golden = {
        "retrieval": [
            retrieval("one relevant document each", 25, 60, lambda i: 1, rng),
            retrieval("several relevant documents", 20, 150, lambda i: 1 + i % 14, rng),
            retrieval("fewer documents than k", 5, 7, lambda i: 1 + i % 3, rng),
        ],
        "similarity": similarity(rng),
        "mining": mining(rng),
    }
    path = Path(__file__).with_name("embeddings.json")
    path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
