"""Writes the tokenizer folders and golden.json next to this file, with transformers' AutoTokenizer as the reference.

Run in a virtual environment with transformers: python test/golden/text/make_tokenizers.py [FOLDER…]; by default, writes all folders.
"""

import json
import pathlib
import shutil
import sys

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
CORPUS = [
    "The painters left the ladder near the gate, and the rain made the road shine under the lamps.",
    "Don't stop: the kite's tangling itself up... 1234 times (or 56)!",
    "Ein Mädchen ißt Käse; la fête commença très tôt, déjà vu.",
    "When we had slept enough, we went outside. The more we walked, the better we felt.",
    "Cats and dogs; the cat sat on the mat while the dog ran after the ball.",
] * 4
TEXTS = [
    ["The painters left the ladder near the gate."],
    ["Déjà vu: the CAT ißt Käse 😀 don't 数学 ﬁn\u200bal"],
    [""],
    ["   "],
    [" leading and trailing "],
    ["line\nbreak\ttab\r\u0000null \u00a0nbsp"],
    ["A literal [SEP] or </s> or <mask> or <|endoftext|> token"],
    ["The cat sat on the mat.", "The dog ran."],
    ["The cat sat.", "The dog ran after the ball while the painters left the ladder, 12 times."],
    ["The painters left the ladder near the gate.", "The rain made the road shine under the lamps."],
    ["The cat", ""],
    ["", "The dog"],
    ["", ""],
]
PROTEINS = [
    ["MKTAYIAKQR<mask>QISFVKSHFSRQ"],
    ["mk MKa\u00dfL-T. <null_1>x<cls> B Z"],
    ["LAGVSERTIDPKQNFYMHWCXBUZO.-", "MK TA"],
    ["a\u001cb\u0085c\u00a0M<MASK>"],
]
LENGTHS = [None, 5, 6, 7, 8, 11, 16, 17]
WORDS = [
    ["The", "painters", "don't", "leave", "."],
    ["Käse", "", "😀", "\u200b", " spaced", "[SEP]", "cat"],
    ["The", "rain", "made", "the", "road", "shine", "under", "the", "lamps", "."],
    ["", "cat"],
    ["M", "K", "ab", "<mask>", "TA", "x Y"],
]
ESM_TOKENS = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", ".", "-", "<null_1>", "<mask>"]


ONLY = sys.argv[1:]  # the trainers order pieces differently in each run


def write(folder, **files):
    if ONLY and folder not in ONLY:
        return
    path = HERE / folder
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name, content in files.items():
        name = name.replace("__", ".")
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (path / name).write_text(text + "\n", encoding="utf-8")


def word_piece(lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=180, special_tokens=special))
    vocab = tokenizer.get_vocab()
    return "\n".join(sorted(vocab, key=vocab.get))


def byte_level(special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return model["vocab"], "\n".join(["#version: 0.2", *merges])


def unigram():
    """A SentencePiece tokenizer, as in XLM-RoBERTa."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>")
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer.to_str()


def pieces():
    """SentencePiece's BPE as in old tokenizer.json files, in which a normalizer replaces spaces."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*special, *(f"<0x{i:02X}>" for i in range(256))], max_token_length=8)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 1)]
    )
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] in special]
    return spec


def make_folders():
    uncased, cased = word_piece(True), word_piece(False)
    write("bert-uncased", vocab__txt=uncased, config__json={"model_type": "bert"})
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": False,
        "strip_accents": True,
        "tokenize_chinese_chars": False,
        "model_max_length": 12,
        "additional_special_tokens": ["<e1>"],
    }
    write("bert-cased", vocab__txt=cased, tokenizer_config__json=settings, config__json={"model_type": "bert"})
    vocab, merges = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    mask = {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}
    write(
        "roberta",
        vocab__json=vocab,
        merges__txt=merges,
        config__json={"model_type": "roberta"},
        special_tokens_map__json={"mask_token": mask},
    )
    vocab, merges = byte_level(["<|endoftext|>"])
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "pad_token": "<|endoftext|>"}
    write("gpt2", vocab__json=vocab, merges__txt=merges, config__json={"model_type": "gpt2"})
    write("gpt2-prefix", vocab__json=vocab, merges__txt=merges, tokenizer_config__json=settings)
    settings = {"tokenizer_class": "EsmTokenizer", "model_max_length": 16}
    write("esm", vocab__txt="\n".join(ESM_TOKENS), tokenizer_config__json=settings, config__json={"model_type": "esm"})
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>"}
    write("unigram", tokenizer__json=unigram(), tokenizer_config__json=config)
    settings = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}
    write("gpt2-start", vocab__json=vocab, merges__txt=merges, tokenizer_config__json=settings)
    roles = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    model = {"model_type": "llama"}
    write("llama", tokenizer__json=(spec := pieces()), tokenizer_config__json={**roles, "legacy": False}, config__json=model)
    settings = {**roles, "legacy": True, "pad_token": "</s>", "additional_special_tokens": ["[SEP]", "<mask>"]}
    write("llama-legacy", tokenizer__json=spec, tokenizer_config__json=settings, config__json=model)
    write("llama-bare", tokenizer__json=spec, tokenizer_config__json={**roles, "add_prefix_space": False}, config__json=model)
    for source in ["bert-uncased", "roberta"]:
        fast = AutoTokenizer.from_pretrained(HERE / source)
        fast.backend_tokenizer.enable_truncation(6)
        fast.backend_tokenizer.enable_padding(length=9)
        folder = f"{source}-fast"
        config = {"tokenizer_class": type(fast).__name__, "model_max_length": int(1e30)}
        model = {"model_type": source.split("-")[0]}
        write(folder, tokenizer__json=fast.backend_tokenizer.to_str(), tokenizer_config__json=config, config__json=model)


def word_ids(tokenizer, words, length):
    """The word ids that a fast tokenizer would have for a slow one's `length` tokens."""
    ids = [i for i, word in enumerate(words) for _ in tokenizer.tokenize(word)]
    return [None, *ids[: length - 2], None]


def golden(folder):
    tokenizer = AutoTokenizer.from_pretrained(HERE / folder)
    own = "bert-" in folder or folder == "llama-bare"  # the argument would override the tokenizer's own setting
    prefixed = tokenizer if own else AutoTokenizer.from_pretrained(HERE / folder, add_prefix_space=True)
    texts, words = [], []
    for row in TEXTS if tokenizer.is_fast else [*TEXTS, *PROTEINS]:
        for length in LENGTHS:
            if len(row) == 2 and length and not tokenizer.is_fast and (length - tokenizer.num_special_tokens_to_add(pair=True)) % 2:
                continue  # slow tokenizers give the odd token to the first text
            cut = {"truncation": "longest_first", "max_length": length} if length else {"truncation": False}
            batch = [[text] for text in row]  # as a batch, since a single pair with an empty second text counts as one text
            out = tokenizer(*batch, return_token_type_ids=True, padding=False, **cut)
            texts.append({"texts": row, "maxLength": length, "ids": out.input_ids[0], "typeIds": out.token_type_ids[0]})
    for row in WORDS:
        for length in [None, 5, 9]:
            cut = {"truncation": True, "max_length": length} if length else {"truncation": False}
            out = prefixed([row], is_split_into_words=True, padding=False, **cut)
            ids = out.word_ids(0) if tokenizer.is_fast else word_ids(tokenizer, row, len(out.input_ids[0]))
            starts = [ids.index(i) if i in ids else -1 for i in range(len(row))]
            words.append({"words": row, "maxLength": length, "ids": out.input_ids[0], "wordStarts": starts})
    return {"padTokenId": tokenizer.pad_token_id, "texts": texts, "words": words}


make_folders()
folders = sorted(path.name for path in HERE.iterdir() if path.is_dir())
kept = json.loads((HERE / "golden.json").read_text()) if ONLY else {}
made = {folder: golden(folder) if folder in ONLY or not ONLY else kept[folder] for folder in folders}
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in made.items())
(HERE / "golden.json").write_text("{\n" + lines + "\n}\n", encoding="utf-8")
