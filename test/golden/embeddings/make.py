"""Writes the golden files of embeddings: python test/golden/packed.py test/golden/embeddings/make.py, after make.py. Needs sentence-transformers.

Folders as sentence-transformers saves them (version 6), and as versions 0 to 5 did; embeddings of texts; correlations of its evaluator; and, in float64,
losses with gradients and the weights after some steps.
"""

import json
import os
import shutil
import sys
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True

import sentence_transformers
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import losses, modules
from sentence_transformers.sentence_transformer.evaluation import EmbeddingSimilarityEvaluator
from sentence_transformers.base.modules import Normalize, Transformer

HERE = Path(__file__).parent
ROOT = HERE.parent

TEXTS = [
    "The small boat left the harbour before sunrise.",
    "old stone wall",
    "",
    "A teacher wrote three long words on the board, and then seven red apples fell from the tree behind the old stone wall near the harbour.",
    "Ωmega Über CAFÉ",
    "  spaces around  ",
]
WORDS = "boat harbour stone wall teacher board apples tree morning river letter word small old long red".split()

# name: checkpoint, pooling, whether normalized, whether prompts count, and whether the folder has the form of versions 2 to 5;
# that of versions 0 and 1 is made of it for OLDEST
FOLDERS = {
    "bert-mean": ("bert/no-prefix", "mean", True, False, False),
    "roberta-cls": ("roberta/single", "cls", False, True, True),
    "bert-cls-prompt": ("bert/no-prefix", "cls", False, False, False),
    "gpt2-last": ("gpt2/single", "lasttoken", True, True, False),
    "qwen3-last": ("qwen3/single", "lasttoken", False, True, True),
    "bert-oldest": ("bert/no-prefix", "cls", True, True, True),
}
OLDEST = "bert-oldest"
PROMPTS = {"query": "the old word: ", "document": "wall: "}


def text(seed: int, words: int) -> str:
    return " ".join(WORDS[(seed * 7 + i * (3 + seed % 4)) % len(WORDS)] for i in range(words))


def rows(kind: str) -> list[dict]:
    """Texts of unequal length, so that a batch has padding."""
    pairs = [{"anchor": text(i, 1 + i % 3), "positive": text(i + 5, 2 + i % 5)} for i in range(6)]
    if kind == "pairs":
        return pairs
    if kind == "triplets":
        return [row | {"negative": text(i + 9, 3)} for i, row in enumerate(pairs)]
    if kind == "negatives":
        return [row | {"negatives": [text(i + 9, 3), text(i + 2, 1 + i % 4)]} for i, row in enumerate(pairs)]
    scores = [0.25, 1.0, 0.25, 0.0, 0.75, -0.5]
    return [{"sentence1": row["anchor"], "sentence2": row["positive"], "score": score} for row, score in zip(pairs, scores)]


def write_folder(name: str) -> SentenceTransformer:
    checkpoint, pooling, normalized, include_prompt, legacy = FOLDERS[name]
    torch.manual_seed(0)  # for poolers, which the checkpoints lack and no embedding uses
    transformer = Transformer(str(ROOT / checkpoint), processor_kwargs={"model_max_length": 20})
    width = transformer.get_embedding_dimension()
    parts = [transformer, modules.Pooling(width, pooling, include_prompt=include_prompt), *([Normalize()] if normalized else [])]
    has_prompts = name in ("bert-mean", "bert-cls-prompt")
    model = SentenceTransformer(modules=parts, prompts=PROMPTS if has_prompts else None, default_prompt_name="query" if has_prompts else None)
    target = HERE / name
    shutil.rmtree(target, ignore_errors=True)
    model.save(str(target), create_model_card=False)
    if legacy:
        to_version_5(target, width, pooling, name)
        if name == OLDEST:
            to_version_0(target)
        model = SentenceTransformer(str(target))
    return model.eval()


def to_version_5(target: Path, width: int, pooling: str, name: str) -> None:
    """The form of versions 2 to 5, with lowercasing for RoBERTa, whose tokenizer has none."""
    listed = json.loads((target / "modules.json").read_text())
    for module in listed:
        module["type"] = "sentence_transformers.models." + module["type"].split(".")[-1]
    write_json(target / "modules.json", listed)
    write_json(target / "sentence_bert_config.json", {"max_seq_length": 14, "do_lower_case": name.startswith("roberta")})
    flag = {"cls": "pooling_mode_cls_token", "lasttoken": "pooling_mode_lasttoken"}[pooling]
    flags = ["pooling_mode_cls_token", "pooling_mode_mean_tokens", "pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens", "pooling_mode_lasttoken"]
    write_json(target / "1_Pooling" / "config.json", {"word_embedding_dimension": width} | {key: key == flag for key in flags})
    write_json(target / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.0.0"}})


def to_version_0(target: Path) -> None:
    """The form of versions 0 and 1: the transformer has a folder of its own, and config.json names the version."""
    inner = target / "0_Transformer"
    inner.mkdir()
    for path in target.iterdir():
        if path.is_file() and path.name not in ("modules.json", "config_sentence_transformers.json"):
            path.rename(inner / path.name)
    (target / "config_sentence_transformers.json").unlink()
    write_json(target / "config.json", {"__version__": "0.4.1"})
    listed = json.loads((target / "modules.json").read_text())
    listed[0]["path"] = inner.name
    write_json(target / "modules.json", listed)


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def loss_cases(model: SentenceTransformer) -> dict:
    """name: rows, settings as the options, sentence-transformers' loss"""
    ranking = lambda **options: losses.MultipleNegativesRankingLoss(model, **options)
    return {
        "ranking": ("pairs", {}, ranking()),
        "ranking-negatives": ("negatives", {"temperature": 0.1}, ranking(scale=10.0)),
        "symmetric": (
            "triplets", {"loss": "multiple-negatives-symmetric-ranking"},
            ranking(directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"),
        ),
        "cached": ("negatives", {"miniBatchSize": 2}, losses.CachedMultipleNegativesRankingLoss(model, mini_batch_size=2)),
        "cosent": ("scored", {}, losses.CoSENTLoss(model)),
        "cosent-temperature": ("scored", {"loss": "cosent", "temperature": 0.2}, losses.CoSENTLoss(model, scale=5.0)),
        "cosine": ("scored", {"loss": "cosine"}, losses.CosineSimilarityLoss(model)),
        "triplet": ("triplets", {"loss": "triplet"}, losses.TripletLoss(model)),
        "matryoshka": ("pairs", {"matryoshka": [24, 7]}, losses.MatryoshkaLoss(model, ranking(), [24, 7])),
        "matryoshka-cosent": ("scored", {"matryoshka": [36, 8]}, losses.MatryoshkaLoss(model, losses.CoSENTLoss(model), [36, 8])),
        "matryoshka-triplet": ("triplets", {"loss": "triplet", "matryoshka": [12]}, losses.MatryoshkaLoss(model, losses.TripletLoss(model), [12])),
    }


KEPT = ("embeddings.LayerNorm", "embeddings.word_embeddings", "attention.self.query", "attention.self.value", "output.dense")


def columns(kind: str) -> tuple[list[list[str]], torch.Tensor | None]:
    given = rows(kind)
    if kind == "scored":
        return [[row["sentence1"] for row in given], [row["sentence2"] for row in given]], torch.tensor([row["score"] for row in given], dtype=torch.float64)
    texts = [[row["anchor"], row["positive"], *([row["negative"]] if "negative" in row else row.get("negatives", []))] for row in given]
    return [list(column) for column in zip(*texts)], None


def loss_of(model: SentenceTransformer, loss, kind: str) -> torch.Tensor:
    texts, labels = columns(kind)
    return loss([model.preprocess(column) for column in texts], labels if labels is not None else torch.zeros(6))


def double_model() -> SentenceTransformer:
    return SentenceTransformer(str(HERE / "bert-mean")).double().eval()


def write_losses() -> dict:
    found = {}
    for name in loss_cases(double_model()):
        model = double_model()
        kind, settings, loss = loss_cases(model)[name]
        value = loss_of(model, loss, kind)
        value.backward()
        gradients = {f"grad.{key}": p.grad.contiguous() for key, p in model[0].auto_model.named_parameters() if any(part in key for part in KEPT) and "pooler" not in key}
        save_file({"loss": value.detach(), **gradients}, HERE / f"loss-{name}.safetensors")
        found[name] = {"rows": kind, "settings": settings, "file": f"loss-{name}.safetensors"}
    return found


STEPS = {"steps": 3, "learningRate": 1e-2, "weightDecay": 0.01}


def write_steps() -> dict:
    """Every weight is trained; biases and norms have no decay."""
    model = double_model()
    loss = losses.MultipleNegativesRankingLoss(model)
    named = [(name, p) for name, p in model[0].auto_model.named_parameters() if "pooler" not in name]
    plain = lambda name: name.endswith("bias") or "LayerNorm" in name
    groups = [
        {"params": [p for name, p in named if not plain(name)], "weight_decay": STEPS["weightDecay"]},
        {"params": [p for name, p in named if plain(name)], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=STEPS["learningRate"])
    values = []
    for _ in range(STEPS["steps"]):
        optimizer.zero_grad()
        value = loss_of(model, loss, "negatives")
        value.backward()
        optimizer.step()
        values.append(value.item())
    save_file({name: p.detach().contiguous() for name, p in named if any(part in name for part in KEPT)}, HERE / "steps.safetensors")
    return STEPS | {"rows": "negatives", "losses": values, "file": "steps.safetensors"}


def correlations(model: SentenceTransformer) -> dict:
    (first, second), scores = columns("scored")
    found = EmbeddingSimilarityEvaluator(first, second, scores.tolist(), write_csv=False)(model)
    return {name: float(found[f"{name}_cosine"]) for name in ("pearson", "spearman")}


def main() -> None:
    encodings = {}
    evaluations = {}
    for name in FOLDERS:
        model = write_folder(name)
        evaluations[name] = correlations(model)
        encodings[name] = {"default": model.encode(TEXTS, batch_size=4).tolist()}
        if name == "bert-mean":
            encodings[name] |= {prompt: model.encode(TEXTS, prompt_name=prompt).tolist() for prompt in PROMPTS}
            encodings[name]["none"] = model.encode(TEXTS, prompt="").tolist()
    for kind in ("pairs", "triplets", "negatives", "scored"):
        (HERE / f"{kind}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(kind)))
    (HERE / "texts.jsonl").write_text("".join(json.dumps({"text": one}, ensure_ascii=False) + "\n" for one in TEXTS))
    versions = {module.__name__: module.__version__ for module in (torch, sentence_transformers)}
    write_json(HERE / "golden.json", {"madeWith": versions, "encodings": encodings, "evaluations": evaluations, "losses": write_losses(), "steps": write_steps()})


if __name__ == "__main__":
    main()
