"""Writes the golden files of rerankers: python test/golden/packed.py test/golden/reranking/make.py, after make.py. Needs sentence-transformers, PEFT.

CrossEncoder folders as version 6 saves them, and as version 4 did; scores of pairs, also with an adapter and a trained head; in float64, losses with
gradients and the weights after some steps; and the metrics of CrossEncoderRerankingEvaluator.
"""

import json
import os
import random
import shutil
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True

import peft
import sentence_transformers
import torch
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import losses
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator

HERE = Path(__file__).parent
ROOT = HERE.parent

WORDS = "boat harbour stone wall teacher board apples tree morning river letter word small old long red".split()
LONGEST = 20


def text(seed: int, words: int) -> str:
    return " ".join(WORDS[(seed * 7 + i * (3 + seed % 4)) % len(WORDS)] for i in range(words))


PAIRS = [
    ("small boat", "The small boat left the harbour before sunrise."),
    ("", "old stone wall"),
    ("Ωmega Über", "  spaces around  "),
    (text(1, 40), "old wall"),
    ("old wall", text(2, 40)),
    (text(3, 30), text(4, 33)),
    ("river", ""),
]


def rows(kind: str) -> list[dict]:
    """Documents of unequal length and number, so that a batch has padding of both kinds."""
    if kind == "lists":
        numbers = [2, 1, 4, 3, 1, 2]
        return [
            {"query": text(i, 1 + i % 3), "positive": text(i + 5, 2 + i % 5), "negatives": [text(i + 9 + k, 1 + (i + 2 * k) % 6) for k in range(n)]}
            for i, n in enumerate(numbers)
        ]
    scores = [0.25, 1.0, 0.625, 0.0, 0.75, 0.5, 0.0, 1.0]
    return [{"query": text(i // 3, 2), "document": text(i + 5, 1 + i % 6), "score": score} for i, score in enumerate(scores)]


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_folders() -> None:
    for name, checkpoint, activation in (("bert-6", "bert", torch.nn.Identity()), ("roberta-4", "roberta", torch.nn.Sigmoid())):
        model = CrossEncoder(str(ROOT / checkpoint / "regression"), max_length=LONGEST, activation_fn=activation, local_files_only=True)
        with torch.no_grad():  # scores of the random model differ too little
            for key, parameter in model.named_parameters():
                if key.split(".")[-2] in ("classifier", "out_proj") and key.endswith("weight"):
                    parameter.mul_(8)
        shutil.rmtree(HERE / name, ignore_errors=True)
        model.save_pretrained(str(HERE / name), create_model_card=False)
        if name.endswith("4"):
            to_version_4(HERE / name)


def to_version_4(target: Path) -> None:
    config = json.loads((target / "config.json").read_text())
    config["sentence_transformers"] = {"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4.1.0"}
    write_json(target / "config.json", config)
    for file in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (target / file).unlink()


def write_adapter() -> list[float]:
    """A trained head belongs to the adapter: https://github.com/huggingface/sentence-transformers/issues/3980"""
    torch.manual_seed(3)
    model = CrossEncoder(str(HERE / "bert-6"), local_files_only=True).eval()
    config = peft.LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["query", "value"], modules_to_save=["classifier"], init_lora_weights=False)
    adapted = peft.get_peft_model(model.model, config)
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "modules_to_save" in key:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    adapted.eval()
    shutil.rmtree(HERE / "adapter", ignore_errors=True)
    adapted.save_pretrained(str(HERE / "adapter"))
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)
    saved = json.loads((HERE / "adapter" / "adapter_config.json").read_text())
    write_json(HERE / "adapter" / "adapter_config.json", saved | {"base_model_name_or_path": "bert-6"})
    return model.predict(PAIRS, batch_size=3).tolist()


def double_model() -> CrossEncoder:
    return CrossEncoder(str(HERE / "bert-6"), local_files_only=True).double().eval()


def listwise(model: CrossEncoder) -> torch.Tensor:
    """-log softmax of the positive among the documents of its row, mean over rows."""
    found = []
    for row in rows("lists"):
        features = model.preprocess([(row["query"], document) for document in [row["positive"], *row["negatives"]]])
        found.append(-torch.log_softmax(model(features)["scores"].view(-1), 0)[0])
    return torch.stack(found).mean()


def pairs_of(kind: str) -> tuple[list[str], list[str], torch.Tensor]:
    given = rows(kind)
    if kind == "scored":
        documents = [(row["query"], row["document"], row["score"]) for row in given]
    else:
        documents = [(row["query"], text, float(i == 0)) for row in given for i, text in enumerate([row["positive"], *row["negatives"]])]
    queries, texts, labels = zip(*documents)
    return list(queries), list(texts), torch.tensor(labels, dtype=torch.float64)


def from_library(loss_class, kind: str):
    def value(model: CrossEncoder) -> torch.Tensor:
        queries, texts, labels = pairs_of(kind)
        loss = loss_class(model)
        # BinaryCrossEntropyLoss takes the labels as float32, of which these are all values.
        return loss([queries, texts], labels) if loss_class is losses.MSELoss else torch.nn.functional.binary_cross_entropy_with_logits(
            model(model.preprocess(list(zip(queries, texts))))["scores"].view(-1), labels
        )

    return value


# name: rows, --loss, the loss
CASES = {
    "listwise": ("lists", "listwise", listwise),
    "binary-cross-entropy": ("scored", "binary-cross-entropy", from_library(losses.BinaryCrossEntropyLoss, "scored")),
    "binary-cross-entropy-lists": ("lists", "binary-cross-entropy", from_library(losses.BinaryCrossEntropyLoss, "lists")),
    "mse": ("scored", "mse", from_library(losses.MSELoss, "scored")),
}
KEPT = ("embeddings.LayerNorm", "token_type_embeddings", "layer.0.attention.self.query", "layer.1.output.LayerNorm", "pooler", "classifier")


def check_float32() -> None:
    """BinaryCrossEntropyLoss itself, which can't compute in float64."""
    model = CrossEncoder(str(HERE / "bert-6"), local_files_only=True).eval()
    for kind in ("scored", "lists"):
        queries, texts, labels = pairs_of(kind)
        own = losses.BinaryCrossEntropyLoss(model)([queries, texts], labels.float())
        assert abs(own.item() - from_library(losses.BinaryCrossEntropyLoss, kind)(double_model()).item()) < 1e-6


def write_losses() -> dict:
    found = {}
    for name, (kind, loss, value_of) in CASES.items():
        model = double_model()
        value = value_of(model)
        value.backward()
        gradients = {f"grad.{key}": p.grad.contiguous() for key, p in model.model.named_parameters() if any(part in key for part in KEPT) and not (loss == "listwise" and key == "classifier.bias")}  # it cancels out
        save_file({"loss": value.detach(), **gradients}, HERE / f"loss-{name}.safetensors")
        found[name] = {"rows": kind, "loss": loss, "file": f"loss-{name}.safetensors"}
    return found


STEPS = {"steps": 3, "learningRate": 1e-2, "weightDecay": 0.01}


def write_steps() -> dict:
    """Every weight is trained; biases and norms have no decay."""
    found = {}
    for name in ("listwise", "binary-cross-entropy"):
        kind, loss, value_of = CASES[name]
        model = double_model()
        named = list(model.model.named_parameters())
        plain = lambda key: key.endswith("bias") or "LayerNorm" in key
        groups = [
            {"params": [p for key, p in named if not plain(key)], "weight_decay": STEPS["weightDecay"]},
            {"params": [p for key, p in named if plain(key)], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=STEPS["learningRate"])
        values = []
        for _ in range(STEPS["steps"]):
            optimizer.zero_grad()
            value = value_of(model)
            value.backward()
            optimizer.step()
            values.append(value.item())
        save_file({key: p.detach().contiguous() for key, p in named if any(part in key for part in KEPT)}, HERE / f"steps-{name}.safetensors")
        found[name] = STEPS | {"rows": kind, "loss": loss, "losses": values, "file": f"steps-{name}.safetensors"}
    return found


class Given:
    """A model that gives the scores it is told to."""

    def __init__(self, scores: list[list[float]]):
        self.scores = scores
        self.model_card_data = None

    def predict(self, pairs, **_):
        return torch.tensor([score for own in self.scores for score in own], dtype=torch.float32).numpy()


def metrics_of(queries: list[dict]) -> dict:
    """Of queries with `relevant` (whether each document is) and `scores`, the relevant documents first, as the evaluator has them."""
    samples = [{"query": "q", "positive": ["d"] * sum(q["relevant"]), "negative": ["d"] * (len(q["relevant"]) - sum(q["relevant"]))} for q in queries]
    evaluator = CrossEncoderRerankingEvaluator(samples, write_csv=False)
    evaluator.store_metrics_in_model_card_data = lambda *_: None
    found = evaluator(Given([q["scores"] for q in queries if any(q["relevant"])]))
    return {key: float(value) for key, value in found.items()}


def write_metrics() -> list[dict]:
    """Queries alone, and all together. Ties only up to 16 documents: NumPy's order of more is not stable."""
    draw = random.Random(5)
    queries = [
        {"relevant": [1, 0, 0, 0], "scores": [0.5, 0.25, 0.75, 0.125]},
        {"relevant": [1, 0, 0], "scores": [0.5, 0.5, 0.25]},
        {"relevant": [1, 1, 0, 0, 0], "scores": [0.5, 0.5, 0.5, 0.75, 0.5]},
        {"relevant": [1, 1, 1, 0], "scores": [1.0, 1.0, 1.0, 1.0]},
        {"relevant": [0, 0], "scores": [0.5, 0.25]},
        {"relevant": [1, 1], "scores": [0.5, 0.25]},
        {"relevant": [1] + [0] * 13, "scores": [0.0] + [1.0] * 10 + [0.0] * 3},
        {"relevant": [1] + [0] * 24, "scores": [0.25] + [draw.random() for _ in range(24)]},
        {"relevant": [1] * 12 + [0] * 18, "scores": [draw.random() for _ in range(30)]},
    ]
    for query in queries:
        query["scores"] = torch.tensor(query["scores"]).tolist()
    alone = [{"queries": [query], "metrics": metrics_of([query])} for query in queries]
    return [*alone, {"queries": queries, "metrics": metrics_of(queries)}]


def samples() -> dict[str, list[dict]]:
    """The queries of the rows, as the evaluator takes them."""
    lists = [{"query": row["query"], "positive": [row["positive"]], "negative": row["negatives"]} for row in rows("lists")]
    scored: dict[str, dict] = {}
    for row in rows("scored"):
        own = scored.setdefault(row["query"], {"query": row["query"], "positive": [], "negative": []})
        own["positive" if row["score"] >= 0.5 else "negative"].append(row["document"])
    return {"lists": lists, "scored": list(scored.values())}


def write_evaluations() -> dict:
    model = CrossEncoder(str(HERE / "bert-6"), local_files_only=True).eval()
    found = {}
    for kind, own in samples().items():
        evaluator = CrossEncoderRerankingEvaluator(own, write_csv=False)
        evaluator.store_metrics_in_model_card_data = lambda *_: None
        found[kind] = {key: float(value) for key, value in evaluator(model).items()}
    return found


def main() -> None:
    write_folders()
    check_float32()
    scores = {name: CrossEncoder(str(HERE / name), local_files_only=True).predict(PAIRS, batch_size=3).tolist() for name in ("bert-6", "roberta-4")}
    logits = CrossEncoder(str(HERE / "roberta-4"), local_files_only=True, activation_fn=torch.nn.Identity()).predict(PAIRS, batch_size=3).tolist()
    for kind in ("lists", "scored"):
        (HERE / f"{kind}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(kind)))
    pairs = [{"query": query, "document": document} for query, document in PAIRS]
    (HERE / "pairs.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in pairs))
    versions = {module.__name__: module.__version__ for module in (torch, sentence_transformers, peft)}
    golden = {
        "madeWith": versions,
        "scores": scores | {"roberta-4 without activation": logits, "adapter": write_adapter()},
        "losses": write_losses(),
        "steps": write_steps(),
        "metrics": write_metrics(),
        "evaluations": write_evaluations(),
    }
    write_json(HERE / "golden.json", golden)


if __name__ == "__main__":
    main()
