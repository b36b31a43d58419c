"""Writes tools.json: conversations with tools rendered by transformers' apply_chat_template, for each template.

Run in a virtual environment with transformers: python test/golden/chat/make_tools.py [FOLDER_OF_TEMPLATES FILE]. Templates that may not be
copied are compared the same way: give their folder and a file elsewhere, and run the test with CHAT_TEMPLATES and CHAT_TOOLS naming both.
"""

import json
import pathlib
import sys
from datetime import datetime

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from tool_conversations import TOOL_CONVERSATIONS

HERE = pathlib.Path(__file__).parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


class Noon(datetime):
    """The time that templates see."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 3, 5, 12)


chat_template_utils.datetime = Noon


def render(tokenizer, conversation: dict, prompt: bool):
    """The text; null if the template raises an error or prints an object's address."""
    try:
        text = tokenizer.apply_chat_template(
            conversation["messages"],
            tools=conversation["tools"],
            tokenize=False,
            add_generation_prompt=prompt,
            **conversation.get("chat_template_kwargs", {}),
        )
    except Exception:
        return None
    return None if " at 0x" in text else text


def tokenizer_with(template: str) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")), **TOKENS)
    tokenizer.chat_template = template
    return tokenizer


def with_prompt(text, prompted):
    """Of a text with the generation prompt only what is added, if it begins with the text without."""
    if text and prompted and prompted.startswith(text):
        return [text, {"adds": prompted[len(text) :]}]
    return [text, prompted]


def main() -> None:
    folder, target = (pathlib.Path(path) for path in sys.argv[1:] or (HERE / "templates", HERE / "tools.json"))
    texts = {}
    for file in sorted(folder.rglob("*.jinja")):
        source = file.read_text(encoding="utf-8")
        if "tool" in source:
            tokenizer = tokenizer_with(source)
            name = str(file.relative_to(folder).parent / file.stem)
            texts[name] = [with_prompt(*(render(tokenizer, one, prompt) for prompt in (False, True))) for one in TOOL_CONVERSATIONS]
    golden = {"tokens": TOKENS, "conversations": TOOL_CONVERSATIONS, "texts": texts}
    target.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


main()
