"""Writes settings.json next to this file: transformers' encodings with various settings in tokenizer_config.json, and a model's logits for them.

Run in a virtual environment with torch and transformers: python test/golden/text/make_settings.py
"""

import json
import os
import pathlib
import shutil
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1"}

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

HERE = pathlib.Path(__file__).parent
GENERAL = {"tokenizer_class": "TokenizersBackend"}
CASES = [
    *[("bert/single", change) for change in (
        {"model_input_names": ["input_ids", "attention_mask"]},
        {"model_input_names": ["input_ids"]},
        {"model_input_names": ["token_type_ids", "input_ids"]},
        {"model_input_names": None},
        {"model_input_names": None, "tokenizer_class": None},
        {"model_input_names": None, "tokenizer_class": "BertTokenizerFast"},
        {"model_input_names": None, "tokenizer_class": "DistilBertTokenizer"},
        {"model_input_names": None, "tokenizer_class": "PreTrainedTokenizerFast"},
        {"truncation_side": "left"},
        {"padding_side": "left"},
        {"do_lower_case": False},
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
    )],
    ("text/bert-uncased-fast", {"do_lower_case": False}),
    ("text/bert-uncased-fast", {"strip_accents": False}),
    ("text/bert-uncased-fast", {"tokenize_chinese_chars": False}),
    ("text/bert-uncased-fast", GENERAL | {"do_lower_case": False}),
    ("text/roberta-fast", {"add_prefix_space": True}),
    ("text/roberta-fast", {"truncation_side": "left"}),
    ("text/roberta-fast", GENERAL | {"add_prefix_space": True}),
]
LONG = "the rain made the road shine under the lamps. " * 1000 + "A cat"
TEXTS = [["Éa AN  中文 apple a"], ["Éa AN  中文 apple a", "not a B é"], ["the cat", LONG]]
WORDS = ["The", "painters", "don't", "leave", ".", "cat"]


def changed(source, change):
    """A copy of a folder with changed settings in tokenizer_config.json; None removes a setting."""
    folder = pathlib.Path(tempfile.mkdtemp())
    shutil.copytree(HERE.parent / source, folder, dirs_exist_ok=True)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text()) | change
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
    return folder


def encoded(source, change):
    folder = changed(source, change)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for texts in TEXTS if "truncation_side" in change else TEXTS[:2]:
        for length in [None, 8, 9] if texts[-1] is not LONG else [9]:
            cut = {"truncation": "longest_first", "max_length": length} if length else {}
            out = tokenizer(*texts, **cut)
            rows.append({"texts": texts, "maxLength": length, "ids": out.input_ids, "typeIds": out.get("token_type_ids")})
    shutil.rmtree(folder)
    return {"source": source, "change": change, "rows": rows}


def words_cut(side):
    """The first sub-word of each word, or -1 if it was truncated."""
    folder = changed("bert/single", {"truncation_side": side})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    out = tokenizer(WORDS, is_split_into_words=True)
    whole = out.word_ids(0)
    cut = tokenizer(WORDS, is_split_into_words=True, truncation=True, max_length=9)
    lost = len(whole) - len(cut.input_ids)
    first = [whole.index(i) - (lost if side == "left" else 0) for i in range(len(WORDS))]
    shutil.rmtree(folder)
    return {"side": side, "words": WORDS, "ids": cut.input_ids, "wordStarts": [i if 1 <= i < len(cut.input_ids) - 1 else -1 for i in first]}


def logits(names):
    """The logits of the pairs, one row at a time."""
    folder = changed("bert/single", {"model_input_names": names})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = [json.loads(line) for line in (HERE.parent / "rows" / "pairs.jsonl").read_text().splitlines()]
    values = []
    for row in rows:
        batch = tokenizer([row["sentence1"]], [row["sentence2"]], truncation=True, max_length=20, return_tensors="pt")
        with torch.no_grad():
            values.append(model(**batch).logits[0].tolist())
    shutil.rmtree(folder)
    return {"names": names, "logits": values}


torch.set_num_threads(1)
NAMES = ["input_ids", "token_type_ids", "attention_mask"]
golden = {
    "tokenizers": [encoded(*case) for case in CASES],
    "words": [words_cut(side) for side in ("right", "left")],
    "logits": [logits(names) for names in (NAMES, ["input_ids", "attention_mask"], ["input_ids"])],
}
for case in golden["tokenizers"]:
    for row in case["rows"]:
        if row["texts"][-1] is LONG:
            row["texts"] = [row["texts"][0], {"repeat": LONG[: len(LONG) // 1000], "times": 1000, "end": "A cat"}]
(HERE / "settings.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n", encoding="utf-8")
