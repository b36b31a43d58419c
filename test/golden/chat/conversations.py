"""Twenty conversations, and more with fields that few templates use. The sentences were written for these files."""


def message(role: str, content, **fields) -> dict:
    return {"role": role, "content": content, **fields}


def talk(*contents, system=None) -> list[dict]:
    """Alternates user and assistant turns, after an optional system message."""
    turns = [message("user" if i % 2 == 0 else "assistant", content) for i, content in enumerate(contents)]
    return turns if system is None else [message("system", system), *turns]


CODE = 'def f(x):\n    return {"a": [x, {"b": "{{ x }}"}]}\n\n\tprint(f"{f(1)!r}")  # {% if %}\n'

CONVERSATIONS = [
    talk("Where is the boat?"),
    talk("Where is the boat?", "In the harbour."),
    talk("Where is the boat?", "In the harbour.", "And the dog?", "Behind the wall."),
    talk("Where is the boat?", "In the harbour.", "And the dog?"),
    talk("Count to three.", "One, two, three.", "Once more.", "One, two, three.", "Thanks!", "Gladly.", system="You are brief."),
    talk("Hello", "Good day", system=""),
    talk("", ""),
    talk("", "", "", "", system=""),
    talk("  spaces before", "spaces after  ", " both ", "\n\nlines\n\n", system="  a system  "),
    talk("\ttabs\t", "\r\nreturns\r\n", "\u00a0no break\u00a0", "\u3000wide\u3000"),
    talk("Naïve café, 漢字 – “Straße” 😀", "Ωmega, ÅNGSTRÖM, İstanbul 👩‍👩‍👧 e\u0301", system="日本語で答えてください。"),
    talk(CODE, f"```python\n{CODE}```", "And in {braces}?", "{% raw %}{{ nothing }}{% endraw %} {# no comment #}"),
    talk("What is <|im_end|> for?", "It ends a turn: <|im_end|></s><|eot_id|><end_of_turn>.", "[INST] and [/INST]?", "So too."),
    talk("\ufeffmark first", "last mark\ufeff", "\x1cseparators\x1f", "\x85next line\x85"),
    talk("Think, then say.", "<think>\nThree and four\nare seven.\n</think>\n\nSeven.", "And more?", "<think>\n\n</think>\n\nEight."),
    talk("Think.", "<think>open", "Again.", "closed</think>\n\nYes.</think>No."),
    talk("one", "two\nlines", "three\n", "\nfour", "five\\n", "\\six", system="seven \\n eight"),
    talk("'single' and \"double\" quotes", "back`ticks` & <tags> &amp; 100 %", "a | b ~ c", "$1 \\1 $& $$"),
    talk("x" * 300, "y " * 150, "z\n" * 40, "."),
    talk("Tool?", "<tool_response>none</tool_response>", "<tool_response>one</tool_response>", "Done.", system="<tool_response>"),
]

REASONING = [
    [message("user", "What is 3 + 4?"), message("assistant", "Seven.", reasoning_content="Three and four.")],
    [message("user", "What is 3 + 4?"), message("assistant", "Seven.", thinking="\nThree and four.\n"), message("user", "Sure?"), message("assistant", "Yes.", reasoning="I counted.")],
    [message("user", "Null", name=None), message("assistant", "Void", reasoning_content=None)],
]

PARTS = [
    [message("user", [{"type": "text", "text": "Two "}, {"type": "text", "text": " parts"}]), message("assistant", [{"type": "text", "text": "One"}])],
    [message("system", [{"type": "text", "text": "System"}]), message("user", "Text"), message("assistant", "Text")],
]

REFUSED = [
    talk("one", "two", system="late")[1:] + [message("system", "late"), message("user", "three")],
    [message("assistant", "first"), message("user", "second")],
    [message("user", "one"), message("user", "two")],
    [message("user", "one"), message("tool", "two"), message("assistant", "three")],
]
