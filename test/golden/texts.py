"""Tokenizers, rows and batches. The sentences were written for these files."""

import random
from collections import Counter
from dataclasses import dataclass

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

MAX_TOKENS = 48  # the models' maximum length
MAX_LENGTH = 20  # rows are truncated to this length

SENTENCES = (
    "the small boat left the harbour before the storm came in",
    "a quiet garden grows behind the old stone wall",
    "she counted seven red apples on the kitchen table",
    "nobody heard the train that passed at midnight",
    "the teacher wrote three long words on the board",
    "cold rain fell on the roof of the empty station",
    "he paid nine coins for a map of the northern islands",
    "the painter mixed blue and yellow until the green was right",
    "two dogs ran after the same ball and neither caught it",
    "our neighbour plays the violin when the windows are open",
    "the bread was warm, the butter soft, and the coffee strong",
    "a letter without a stamp came back after a month",
)
LONG_TEXT = " and then ".join(SENTENCES[:5])
UNICODE_TEXT = "Naïve café, 漢字 – “Straße” 😀 Ωmega"

LABELS = {
    "single": ("alpha", "beta", "gamma"),
    "multi": ("north", "east", "south", "west"),
    "regression": ("LABEL_0",),
    "tokens": ("O", "B-THING", "I-THING", "B-PLACE", "I-PLACE"),
}

BERT_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
DECODER_TOKENS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "[CLS]", "eos_token": "[SEP]"}
ROBERTA_TOKENS = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}


def word_piece(pre_split: bool = False) -> Tokenizer:
    """BERT's tokenizer (lower-cased WordPiece) with letters and the 60 most frequent words."""
    letters = sorted(set("".join(SENTENCES)) - {" "})
    counts = Counter(word for sentence in SENTENCES for word in sentence.replace(",", " ,").split() if len(word) > 2)
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][:60]
    pieces = [*BERT_TOKENS.values(), *letters, *("##" + letter for letter in letters), "##ed", "##ing", *words]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, pieces.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens(list(BERT_TOKENS.values()))
    return tokenizer


def unigram(pre_split: bool = False) -> Tokenizer:
    """DeBERTa's tokenizer (SentencePiece's Unigram) with letters and the 60 most frequent words, each with a leading space."""
    letters = sorted(set("".join(SENTENCES)) - {" "})
    counts = Counter(word for sentence in SENTENCES for word in sentence.replace(",", "").split() if len(word) > 2)
    words = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:60]
    pieces = [(token, 0.0) for token in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    pieces += [("▁", -3.0), *((letter, -6.0 - i / 100) for i, letter in enumerate(letters)), ("ed", -8.0), ("ing", -8.5)]
    pieces += [("▁" + word, -5.0 - i / 100) for i, (word, _) in enumerate(words)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.add_special_tokens(list(BERT_TOKENS.values()))
    return tokenizer


def word_piece_after_one(pre_split: bool = False) -> Tokenizer:
    """The same pieces as a decoder's tokenizer, with one special token before the text and none after it."""
    tokenizer = word_piece(pre_split)
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", pair="[CLS] $A $B", special_tokens=[("[CLS]", 2)])
    return tokenizer


def byte_level_bpe(pre_split: bool = False) -> Tokenizer:
    """RoBERTa's tokenizer (byte-level BPE): 5 special tokens, 256 bytes, 45 merges. `pre_split`: words get a leading space."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    merges = learn_merges(45)
    pieces = specials + sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in merges]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=pre_split)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=pre_split)
    tokenizer.add_special_tokens(specials)
    return tokenizer


def learn_merges(count: int) -> list[tuple[str, str]]:
    """Byte-pair merges of the sentences. (The library's trainer orders pieces differently in each run.)"""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str
    words = Counter(tuple(word) for sentence in SENTENCES for word, _ in split(sentence))
    merges = []
    for _ in range(count):
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = Counter()
        for word, times in words.items():
            merged[merge_pair(word, best)] += times
        words = merged
    return merges


def merge_pair(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    pieces = []
    for piece in word:
        if pieces and (pieces[-1], piece) == pair:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return tuple(pieces)


def load_tokenizer(family, pre_split: bool) -> PreTrainedTokenizerFast:
    names = ["input_ids", "token_type_ids", "attention_mask"] if family.has_types else ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=family.tokenizer(pre_split), model_max_length=MAX_TOKENS, model_input_names=names, **family.special_tokens
    )


def make_rows() -> dict[str, list[dict]]:
    """All JSONL files by name. `train` has 22 rows, so that the last batch of 4 is incomplete."""
    draw = random.Random(7)
    names = LABELS["single"]
    singles = ["", SENTENCES[0], "a", UNICODE_TEXT, LONG_TEXT, "two  dogs,\tone BALL!", SENTENCES[6]]
    pairs = [
        (SENTENCES[1], SENTENCES[2]), (SENTENCES[3], ""), ("", SENTENCES[4]), ("", ""), (UNICODE_TEXT, "the café"),
        (LONG_TEXT, SENTENCES[5]), ("a map", LONG_TEXT), (LONG_TEXT, LONG_TEXT),
    ]
    words = [
        ["the", "small", "boat"], ["harbour"], [], ["Naïve", "café,", "漢字", "\u200b", "stone"], LONG_TEXT.split(), ["midnight", "trains", "passed", "."],
    ]
    topic = {"alpha": SENTENCES[:4], "beta": SENTENCES[4:8], "gamma": SENTENCES[8:]}

    def train_row(i: int) -> dict:
        label = names[draw.randrange(3)]
        first, second = draw.choice(topic[label]).split(), draw.choice(topic[label]).split()
        return {"sentence1": " ".join(first[: 3 + i % 5]), "sentence2": " ".join(second[: 2 + i % 4]), "label": label}

    return {
        "texts": [{"sentence": text, "label": names[i % 3]} for i, text in enumerate(singles)],
        "language": [{"sentence": text} for text in singles[::2]],  # few rows, since each has many logits
        "pairs": [{"sentence1": a, "sentence2": b, "label": names[(i + 1) % 3]} for i, (a, b) in enumerate(pairs)],
        "multi": [{"sentence": text, "label": [name for name in LABELS["multi"] if draw.random() < 0.5]} for text in singles],
        "regression": [{"sentence1": a, "sentence2": b, "label": round(draw.uniform(-1, 3), 3)} for a, b in pairs[:5]],
        "tokens": [{"tokens": row, "labels": [draw.choice(LABELS["tokens"]) for _ in row]} for row in words],
        "train": [train_row(i) for i in range(22)],
    }


@dataclass(frozen=True)
class Batch:
    """`inputs` are a transformers model's (padded) inputs; `labels` are for the head."""

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    word_starts: list[list[int]] | None = None

    def flat(self, values: torch.Tensor) -> torch.Tensor:
        """[rows, length, ...] -> [tokens, ...], without padding."""
        return values[self.inputs["attention_mask"].bool()]

    def tensors(self) -> dict[str, torch.Tensor]:
        """The batch as stored in golden files."""
        result = {"lengths": self.inputs["attention_mask"].sum(1)}
        result |= {name: self.flat(self.inputs[name]) for name in ("input_ids", "token_type_ids") if name in self.inputs}
        if self.labels.dim() == 2 and self.labels.dtype == torch.int64:
            result["labels"] = self.flat(self.labels)
        if self.word_starts is None:
            return {"labels": self.labels} | result
        result["word_starts"] = torch.tensor([start for row in self.word_starts for start in row])
        result["word_counts"] = torch.tensor([len(row) for row in self.word_starts])
        return result


def encode(tokenizer: PreTrainedTokenizerFast, rows: list[dict], head: str) -> Batch:
    """Tokenizes and pads `rows` into one batch for `head`."""
    options = {"truncation": True, "max_length": MAX_LENGTH, "padding": True, "return_tensors": "pt"}
    if head == "tokens":
        return encode_words(tokenizer, rows, options)
    if "sentence2" in rows[0]:
        inputs = tokenizer([row["sentence1"] for row in rows], [row["sentence2"] for row in rows], **options)
    else:
        inputs = tokenizer([row["sentence"] for row in rows], **options)
    if head == "lm":
        return Batch(dict(inputs), next_token_labels(inputs))
    names = LABELS[head]
    labels = {
        "single": lambda label: names.index(label),
        "multi": lambda label: [float(name in label) for name in names],
        "regression": float,
    }[head]
    return Batch(dict(inputs), torch.tensor([labels(row["label"]) for row in rows]))


def next_token_labels(inputs) -> torch.Tensor:
    """Labels of a language model: the tokens, except padding and the first third of each row, which is a prompt and not trained on."""
    lengths = inputs["attention_mask"].sum(1, keepdim=True)
    places = torch.arange(inputs["input_ids"].shape[1])
    return inputs["input_ids"].masked_fill((places < 1 + lengths // 3) | (places >= lengths), -100)


def encode_words(tokenizer: PreTrainedTokenizerFast, rows: list[dict], options: dict) -> Batch:
    inputs = tokenizer([row["tokens"] for row in rows], is_split_into_words=True, **options)
    labels = torch.full(inputs["input_ids"].shape, -100)
    starts = []
    for i, row in enumerate(rows):
        of_word = inputs.word_ids(i)
        starts.append([of_word.index(w) if w in of_word else -1 for w in range(len(row["tokens"]))])
        for start, name in zip(starts[-1], row["labels"]):
            if start >= 0:
                labels[i, start] = LABELS["tokens"].index(name)
    return Batch(dict(inputs), labels, starts)
