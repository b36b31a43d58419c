"""Writes chat.json: the conversations of conversations.py rendered by transformers' apply_chat_template, for each template.

Run in a virtual environment with transformers: python test/golden/chat/make_chat.py [FOLDER_OF_TEMPLATES FILE]
"""

import json
import pathlib
import sys

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from conversations import CONVERSATIONS, PARTS, REASONING, REFUSED

HERE = pathlib.Path(__file__).parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def render(tokenizer, messages: list[dict], prompt: bool):
    """The text; null if the template raises an error or prints an object's address."""
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    except Exception:
        return None
    return None if " at 0x" in text else text


def tokenizer_with(template: str) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")), **TOKENS)
    tokenizer.chat_template = template
    return tokenizer


def main() -> None:
    folder, target = (pathlib.Path(path) for path in sys.argv[1:] or (HERE / "templates", HERE / "chat.json"))
    conversations = [*CONVERSATIONS, *REASONING, *PARTS, *REFUSED]
    texts = {}
    for file in sorted(folder.glob("*.jinja")):
        tokenizer = tokenizer_with(file.read_text(encoding="utf-8"))
        texts[file.stem] = [[render(tokenizer, messages, prompt) for prompt in (False, True)] for messages in conversations]
    golden = {"tokens": TOKENS, "conversations": conversations, "texts": texts}
    target.write_text(json.dumps(golden, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


main()
