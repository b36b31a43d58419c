"""Writes tool_rows.json: conversations with tools as token ids, with masks of the tokens that are trained on.

By template: with `{% generation %}` the assistant's tokens are transformers' `return_assistant_tokens_mask`, otherwise the text that rendering
a turn adds to the turns before it. Run in a virtual environment with transformers: python test/golden/chat/make_tool_rows.py
"""

import json
import pathlib

from transformers import AutoTokenizer

from tool_conversations import TOOL_CONVERSATIONS

HERE = pathlib.Path(__file__).parent
TEMPLATES = ["qwen2.5", "tools/qwen2.5-training"]


def rendered(tokenizer, conversation: dict, messages: list[dict], prompt: bool = False) -> str:
    return tokenizer.apply_chat_template(messages, tools=conversation["tools"], tokenize=False, add_generation_prompt=prompt)


def added(tokenizer, conversation: dict) -> dict:
    messages = conversation["messages"]
    text, spans = rendered(tokenizer, conversation, messages), []
    for turn, message in enumerate(messages):
        if message["role"] == "assistant":
            before = rendered(tokenizer, conversation, messages[:turn], True)
            past = rendered(tokenizer, conversation, messages[: turn + 1])
            assert past.startswith(before) and text.startswith(past)
            spans.append((len(before), len(past)))
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    marks = [any(a < end and b > start for start, end in spans) for a, b in encoding["offset_mapping"]]
    return {"ids": encoding["input_ids"], "mask": marks}


def marked(tokenizer, conversation: dict) -> dict:
    out = tokenizer.apply_chat_template(
        conversation["messages"], tools=conversation["tools"], return_assistant_tokens_mask=True, return_dict=True
    )
    return {"ids": out["input_ids"], "mask": out["assistant_masks"]}


golden = {}
for name in TEMPLATES:
    tokenizer = AutoTokenizer.from_pretrained(HERE / "tokenizers" / "byte-level")
    tokenizer.chat_template = (HERE / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
    rows = []
    for i, conversation in enumerate(TOOL_CONVERSATIONS):
        if any(not isinstance(message.get("content", ""), str) for message in conversation["messages"]):
            continue
        if any(message["role"] == "assistant" for message in conversation["messages"]):
            row = (marked if "training" in name else added)(tokenizer, conversation)
            # Its first token is never trained on, since no token precedes it.
            rows.append({"conversation": i, "ids": row["ids"], "mask": "".join(str(int(bears and k > 0)) for k, bears in enumerate(row["mask"]))})
    golden[name] = rows
(HERE / "tool_rows.json").write_text(json.dumps(golden, separators=(",", ":")).replace('{"', '\n{"') + "\n", encoding="utf-8")
