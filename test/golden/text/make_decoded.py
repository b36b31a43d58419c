"""Writes decoded.json: the text that transformers decodes from every prefix of token sequences, without special tokens.

Run in a virtual environment with transformers: python test/golden/text/make_decoded.py
"""

import json
import pathlib
import random
import shutil

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
CLEANED = "text/unigram-cleaned"
FOLDERS = [CLEANED, "text/llama", "text/llama-legacy", "text/gpt2", "chat/tokenizers/sentence-piece", "chat/tokenizers/byte-level"]
TEXTS = ["é漢字", " the cat 😀", "\ufffd", "x ñ", "  a", "한", "\x80", ".", " ,", " do n't", " x 've"]


def sequence(tokenizer, rng: random.Random) -> list[int]:
    """Pieces of texts, some of which begin or end within a character, with random and special tokens between them."""
    ids: list[int] = []
    while len(ids) < 24:
        own = tokenizer.encode(rng.choice(TEXTS), add_special_tokens=False)
        kind = rng.randrange(6)
        if kind < 2:
            ids += own
        elif kind == 2:
            ids += own[: rng.randint(1, len(own))]
        elif kind == 3:
            ids += own[rng.randrange(len(own)) :]
        elif kind == 4:
            ids.append(rng.choice(tokenizer.all_special_ids))
        else:
            ids += [rng.randrange(len(tokenizer)) for _ in range(rng.randint(1, 3))]
    return ids[:24]


def write_cleaned() -> None:
    """A tokenizer for which `clean_up_tokenization_spaces` has an effect, unlike for BPE."""
    folder = HERE.parent / CLEANED
    folder.mkdir(exist_ok=True)
    shutil.copy(HERE / "unigram" / "tokenizer.json", folder)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "clean_up_tokenization_spaces": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n", encoding="utf-8")


def main() -> None:
    write_cleaned()
    rng = random.Random(18)
    golden = {}
    for folder in FOLDERS:
        tokenizer = AutoTokenizer.from_pretrained(HERE.parent / folder)
        sequences = [sequence(tokenizer, rng) for _ in range(12)]
        golden[folder] = [
            {"ids": ids, "texts": [tokenizer.decode(ids[:count], skip_special_tokens=True) for count in range(1, len(ids) + 1)]}
            for ids in sequences
        ]
    (HERE / "decoded.json").write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


main()
