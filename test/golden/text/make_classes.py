"""Writes classes.json next to this file: the tokens of transformers' AutoTokenizer for folders whose files name various classes and tokens.

Run in a virtual environment with transformers: python test/golden/text/make_classes.py
"""

import json
import os
import pathlib
import shutil
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1"}

from transformers import AutoTokenizer

HERE = pathlib.Path(__file__).parent
TEXTS = [
    ["Éa AN  中文 the painters' 12345 ﬁne ½ … ＡＢＣ e\u0301 don't\n"],
    [" a, b  c ", "the <mask> [MASK] </s> DOG.x\tY "],
    ["the <e> cat<e>s  <img>b<i2> <E>", "not (a)"],
]
WORDS, BYTES, LLAMA, PIECES = "text/bert-uncased-fast", "text/roberta-fast", "text/llama", "io/gguf/unigram"
LOWER = {"type": "Lowercase"}


def step(kind, **settings):
    return {"type": kind, **settings}


def steps(key, *all):
    return {"type": "Sequence", key: list(all)}


def metaspace(scheme):
    return step("Metaspace", replacement="▁", prepend_scheme=scheme, split=True)


def of(cls=None, **settings):
    return ({"tokenizer_class": cls} if cls else {}) | settings


def model(kind):
    return {"model_type": kind} if kind else None


# Each case: a folder and the files that replace its own. A tokenizer.json is merged with the folder's; None removes a file.
def case(source, spec, kind, settings, **others):
    files = {"tokenizer.json": {"padding": None} | spec, "config.json": model(kind), "tokenizer_config.json": settings}
    return source, files | {f"{name}.json": content for name, content in others.items()}


CASED = {"normalizer": step("BertNormalizer", clean_text=True, handle_chinese_chars=False, strip_accents=None, lowercase=False),
         "model": {"max_input_chars_per_word": 5}}
BERT_CASES = [
    *[case(WORDS, CASED, kind, settings) for kind, settings in (
        ("bert", None),
        ("bert", {}),
        ("bert", {"do_lower_case": False}),
        ("bert", of("BertTokenizerFast", strip_accents=False)),
        ("bert", of("PreTrainedTokenizerFast", do_lower_case=True)),
        ("distilbert", of("DistilBertTokenizer")),
        ("electra", of("ElectraTokenizerFast", tokenize_chinese_chars=False)),
        ("mpnet", None),
        ("mpnet", of("MPNetTokenizer", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")),
        ("mpnet", of(mask_token=None, pad_token=None)),
        (None, {"do_lower_case": True}),
        (None, of("BertTokenizer")),
    )],
]
PREFIXED = {"normalizer": LOWER, "pre_tokenizer": step("ByteLevel", add_prefix_space=True, trim_offsets=True, use_regex=True)}
BYTE_CASES = [
    *[case(BYTES, PREFIXED, kind, settings) for kind, settings in (
        ("roberta", None),
        ("roberta", of("RobertaTokenizerFast")),
        ("roberta", of("RobertaTokenizer", add_prefix_space=True)),
        ("modernbert", of("RobertaTokenizer")),
        ("gpt2", {}),
        ("gpt2", of("GPT2TokenizerFast", add_prefix_space=True)),
        ("qwen2", of("Qwen2Tokenizer")),
        ("qwen2", of("LlamaTokenizerFast")),
        ("qwen3", None),
        ("qwen3", of("Qwen2TokenizerFast", add_prefix_space=True)),
        ("qwen3", of("PreTrainedTokenizerFast")),
        ("llama", of("LlamaTokenizer")),
        ("llama", None),
    )],
    *[case(LLAMA, {}, *settings) for settings in (("llama", None), ("llama", of("LlamaTokenizer")), ("gemma3_text", None))],
]
MAPPED = {"pre_tokenizer": metaspace("first")}
OLD_DEBERTA = {
    "normalizer": steps("normalizers", step("Strip", strip_left=True, strip_right=True), step("NFKC"), step("Replace", pattern={"Regex": " {2,}"}, content=" ")),
    "pre_tokenizer": metaspace("always"),
}
PIECE_CASES = [
    *[case(PIECES, MAPPED, kind, settings) for kind, settings in (
        ("xlm-roberta", None),
        ("xlm-roberta", of("XLMRobertaTokenizer", add_prefix_space=False)),
        ("xlm-roberta", of("PreTrainedTokenizerFast")),
        ("camembert", of("CamembertTokenizerFast", additional_special_tokens=["<e>"])),
        ("camembert", of(add_prefix_space=False, additional_special_tokens=[])),
    )],
    *[case(PIECES, OLD_DEBERTA, "deberta-v2", settings) for settings in (
        None,
        of("DebertaV2TokenizerFast", do_lower_case=True, unk_token="<unk>"),
        of("DebertaV2Tokenizer", split_by_punct=True, unk_token="<unk>"),
        of("DebertaV2Tokenizer", do_lower_case=True, split_by_punct=True, cls_token="<s>", sep_token="</s>"),
        of(add_prefix_space=False),
        of("PreTrainedTokenizerFast"),
    )],
]


def vocabulary(source, kind, settings, **others):
    files = {"config.json": model(kind), "tokenizer_config.json": settings}
    return source, files | {f"{name}.json": content for name, content in others.items()}


FILE_CASES = [
    vocabulary("text/gpt2", "qwen2", None),
    vocabulary("text/gpt2", "qwen3", {"add_prefix_space": True}),
    vocabulary("text/gpt2", None, of("Qwen2Tokenizer", add_bos_token=True, bos_token="a", pad_token="<pad>")),
    vocabulary("text/bert-uncased", "mpnet", None),
    vocabulary("text/bert-uncased", "mpnet", of("MPNetTokenizer", do_lower_case=False, mask_token="[MASK]", cls_token="[CLS]")),
    vocabulary("text/bert-uncased", "bert", None, added_tokens={"<e>": 180, "<img>": 181}),
]
PLAIN = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
MASK = {"content": "<mask>"} | PLAIN | {"lstrip": True}
WORD = {"content": "<e>"} | PLAIN | {"rstrip": True, "special": False}
DECODER = {"4": MASK | {"lstrip": False, "rstrip": True}, "410": WORD}
MAP = {"eos_token": "<mask>", "pad_token": {"content": "<img>"} | PLAIN, "i_token": "<i2>", "additional_special_tokens": ["<e>"]}
TOKEN_CASES = [
    *[case(BYTES, {}, "roberta", settings | of(cls), **others) for cls in ("RobertaTokenizer", "PreTrainedTokenizerFast") for settings, others in (
        ({"added_tokens_decoder": DECODER}, {}),
        ({"added_tokens_decoder": DECODER, "eos_token": "<s>", "mask_token": "<mask>"}, {"special_tokens_map": MAP}),
        ({"eos_token": "<s>", "pad_token": "<pad>"}, {"special_tokens_map": MAP}),
        ({"additional_special_tokens": ["<i2>"]}, {"special_tokens_map": MAP}),
        ({"extra_special_tokens": ["<i2>"], "additional_special_tokens": ["<e>"]}, {}),
        ({"extra_special_tokens": {"image_token": "<img>", "other_token": "<e>"}}, {}),
        ({"image_token": "<img>", "other_token": {"content": "<e>", "__type": "AddedToken"} | PLAIN}, {}),
        ({}, {"added_tokens": {"<i2>": 411, "<e>": 410}}),
        ({"additional_special_tokens": ["<e>"]}, {"added_tokens": {"<e>": 410}}),
    )],
]
CUT = {"direction": "Left", "max_length": 6, "strategy": "LongestFirst", "stride": 0}
CUT_CASES = [case(BYTES, {"truncation": CUT}, "roberta", settings) for settings in (
    of("RobertaTokenizer"), of("PreTrainedTokenizerFast"), of("RobertaTokenizer", truncation_side="right"),
)]


def placed(source, files):
    """A copy of a folder with other files."""
    folder = pathlib.Path(tempfile.mkdtemp())
    shutil.copytree(HERE.parent / source, folder, dirs_exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if name == "tokenizer.json":
            own = json.loads(path.read_text())
            content = own | content | {"model": own["model"] | content.get("model", {})}
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(json.dumps(content))
    return folder


def golden(source, files):
    folder = placed(source, files)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for texts in TEXTS:
        for length in (None, 9):
            cut = {"truncation": "longest_first", "max_length": length} if length else {"truncation": False}
            out = tokenizer(*texts, padding=False, return_token_type_ids=True, **cut)
            rows.append({"texts": texts, "maxLength": length, "ids": out.input_ids, "typeIds": out.token_type_ids})
    shutil.rmtree(folder)
    return {"source": source, "files": files, "class": type(tokenizer).__name__, "size": len(tokenizer), "rows": rows}


CASES = [*BERT_CASES, *BYTE_CASES, *PIECE_CASES, *FILE_CASES, *TOKEN_CASES, *CUT_CASES]
lines = ",\n".join(json.dumps(golden(*each), ensure_ascii=False) for each in CASES)
(HERE / "classes.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
