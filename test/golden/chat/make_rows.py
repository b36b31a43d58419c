"""Writes tokenizers/ and rows.json: rows for language models as token ids, with masks of the tokens that are trained on.

The assistant's tokens are transformers' `return_assistant_tokens_mask` if the template has `{% generation %}`, otherwise the text that
rendering a turn adds to the turns before it. Run in a virtual environment with transformers: python test/golden/chat/make_rows.py
"""

import json
import pathlib
import shutil
import sys
from collections import Counter

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

from conversations import CONVERSATIONS, talk

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from texts import SENTENCES, learn_merges, merge_pair  # noqa: E402

MARKS = ["<|im_start|>", "<|im_end|>"]
TALKS = [CONVERSATIONS[i] for i in (1, 2, 3, 4, 6, 8, 9, 10, 12, 14, 17)] + [
    talk("the small boat left the harbour", "the bread was warm, 😀 the butter soft", "漢字 and naïve", "two dogs ran"),
    talk("nobody", "heard the train", system="a quiet garden"),
]
PROMPTS = [
    ("the small boat", " left the harbour"),
    ("two dogs ran after the same ", "ball\n"),
    ("", "a letter"),
    ("cold rain", ""),
    ("漢字 – “Straße” 😀", "Naïve café</s><s> end"),
    ("  spaces  ", "  spaces  "),
]
TEXTS = ["the bread was warm, the butter soft, and the coffee strong", "", " ", "😀漢字\n\nnine coins</s>more", "a"]


def byte_level():
    """GPT-2's tokenizer, which adds no start token."""
    merges = learn_merges(60)
    specials = ["</s>", *MARKS]
    pieces = specials + sorted(pre_tokenizers.ByteLevel.alphabet()) + [a + b for a, b in merges]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    tokenizer.add_special_tokens(specials)
    return tokenizer, {"eos_token": "</s>"}


def sentence_piece(legacy: bool):
    """Llama 2's tokenizer: byte fallback, a space before the text (with `legacy` also after special tokens), and `<s>` at the start."""
    words = Counter(tuple("▁" + word) for sentence in SENTENCES for word in sentence.split())
    merges = []
    for _ in range(60):
        pairs = Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({merge_pair(word, best): times for word, times in words.items()})
    letters = sorted(set("▁" + "".join(SENTENCES).replace(" ", "")))
    specials = ["<unk>", "<s>", "</s>"]
    pieces = specials + [f"<0x{byte:02X}>" for byte in range(256)] + letters + [a + b for a, b in merges] + MARKS
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([*specials, *MARKS])
    return tokenizer, {"bos_token": "<s>", "eos_token": {"__type": "AddedToken", "content": "</s>"}, "unk_token": "<unk>"}


def write_tokenizer(name: str, made, template: str, in_config: bool) -> None:
    folder = HERE / "tokenizers" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, config = made
    config |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    source = (HERE / "templates" / f"{template}.jinja").read_text(encoding="utf-8")
    if in_config:
        config["chat_template"] = [{"name": "tools", "template": "none"}, {"name": "default", "template": source}]
    else:
        (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
        config["chat_template"] = "not this one"
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, ensure_ascii=False) + "\n", encoding="utf-8")


def row(ids, mask):
    """A row; its first token is never trained on, since no token precedes it."""
    return {"ids": ids, "mask": "".join(str(int(bears and i > 0)) for i, bears in enumerate(mask))}


def of_spans(tokenizer, text: str, spans):
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    mask = [any(a < end and b > start for start, end in spans) for a, b in encoding["offset_mapping"]]
    return row(encoding["input_ids"], mask)


def spans_after(tokenizer, messages: list[dict], turns: list[int]):
    """The span that each turn adds, or None if a rendered text is not a prefix of the next one."""
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    spans = []
    for turn in turns:
        before = tokenizer.apply_chat_template(messages[:turn], tokenize=False, add_generation_prompt=True)
        past = tokenizer.apply_chat_template(messages[: turn + 1], tokenize=False)
        if not (past.startswith(before) and text.startswith(past)):
            return None
        spans.append((len(before), len(past)))
    return spans


def chat_rows(tokenizer, marked: bool):
    rows = []
    for messages in TALKS:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        turns = [i for i, message in enumerate(messages) if message["role"] == "assistant"]
        whole = messages[: turns[-1] + 1]
        entry = {"messages": messages, "all": of_spans(tokenizer, text, [(0, len(text))])}
        last = spans_after(tokenizer, whole, turns[-1:])
        whole_text = tokenizer.apply_chat_template(whole, tokenize=False)
        entry["completion"] = last and of_spans(tokenizer, whole_text, last)
        if marked:
            out = tokenizer.apply_chat_template(messages, return_assistant_tokens_mask=True, return_dict=True)
            entry["assistant"] = row(out["input_ids"], out["assistant_masks"])
        else:
            spans = spans_after(tokenizer, messages, turns)
            entry["assistant"] = spans and of_spans(tokenizer, text, spans)
        entry["prompt"] = tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
        rows.append(entry)
    return rows


def main() -> None:
    cases = {
        "byte-level": (byte_level(), "smollm2", False),
        "byte-level-marked": (byte_level(), "own-generation", True),
        "sentence-piece": (sentence_piece(False), "own-generation", False),
        "sentence-piece-legacy": (sentence_piece(True), "tinyllama", True),
        "byte-level-thinking": (byte_level(), "qwen3", False),
    }
    golden = {}
    for name, (made, template, in_config) in cases.items():
        write_tokenizer(name, made, template, in_config)
        tokenizer = AutoTokenizer.from_pretrained(HERE / "tokenizers" / name)
        plain = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
        front = tokenizer("a")["input_ids"][: -len(plain("a"))]
        eos = tokenizer.eos_token_id
        entry = {"eos": eos, "chats": chat_rows(tokenizer, "generation" in template), "prompts": [], "texts": [], "decoded": []}
        for prompt, completion in PROMPTS:
            given, learnt = front + plain(prompt), [*plain(completion), eos]
            entry["prompts"].append({"prompt": prompt, "completion": completion, "given": given, **row(given + learnt, [0] * len(given) + [1] * len(learnt))})
        for text in TEXTS:
            ids = [*front, *plain(text), eos]
            entry["texts"].append({"text": text, **row(ids, [1] * len(ids))})
        for ids in [chat["all"]["ids"] for chat in entry["chats"]]:
            entry["decoded"].append([tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False) for skip in (True, False)])
        golden[name] = entry
    (HERE / "rows.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).replace('{"', '\n{"') + "\n", encoding="utf-8")


main()
