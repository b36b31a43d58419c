"""Writes snippets.json: the text of each template in snippets.py from transformers' apply_chat_template.

Run in a virtual environment with transformers: python packages/chat-template/test/golden/make_snippets.py
"""

import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

import snippets

TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def render(template: str):
    """The text; null where the template raises an error, or prints an object's address in memory."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")), **TOKENS)
    tokenizer.chat_template = template
    try:
        text = tokenizer.apply_chat_template(snippets.MESSAGES, tokenize=False)
    except Exception:
        return None
    return None if " at 0x" in text else text


small = [{"template": template, "text": None if template in snippets.REFUSED else render(template)} for template in snippets.SNIPPETS]
golden = {"tokens": TOKENS, "messages": snippets.MESSAGES, "snippets": small}
target = pathlib.Path(__file__).parent / "snippets.json"
target.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
