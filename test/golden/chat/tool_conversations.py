"""Conversations with tools. The sentences and the functions were written for these files."""

from conversations import message


def tool(name: str, description: str | None = None, **parameters) -> dict:
    described = {} if description is None else {"description": description}
    return {"type": "function", "function": {"name": name, **described, **parameters}}


WEATHER = tool(
    "get_weather",
    "The weather of a place.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Name of the city, such as “Zürich”."},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
)
MAIL = tool(
    "send_mail",
    "Sends a mail & says <when>; it's \"fast\".",
    parameters={
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": {"type": "string"}, "description": "Addresses"},
            "mail": {"type": "object", "properties": {"subject": {"type": "string"}, "urgent": {"type": "boolean"}}, "description": "What to send"},
            "copies": {"type": "integer", "description": "How many", "default": 1},
            "delay": {"type": "number", "description": "Hours"},
        },
        "required": ["to", "mail"],
        "additionalProperties": False,
    },
)
CLOCK = tool("clock", "The time.", parameters={"type": "object", "properties": {}})


def call(name: str, given: dict, id: str | None = None) -> dict:
    own = {"type": "function", "function": {"name": name, "arguments": given}}
    return own if id is None else {"id": id, **own}


def asks(*calls: dict, **fields) -> dict:
    return {"role": "assistant", **fields, "tool_calls": list(calls)}


ZURICH = call("get_weather", {"city": "Zürich", "unit": "celsius"}, "aB3dE5gH9")
LETTER = call("send_mail", {"to": ["a@b.c"], "mail": {"subject": "It's \"here\"\n& <now>", "urgent": True}, "copies": 2, "delay": 0.5}, "000000001")
QUESTION = message("user", "What is the weather in Zürich?")
RESULT = message("tool", '{"degrees": 21, "sky": "clear"}', tool_call_id="aB3dE5gH9", name="get_weather")
ANSWER = message("assistant", "It is 21 °C and clear.")
SYSTEM = message("system", "You help with the weather.")


def chat(*messages: dict, tools=(WEATHER,), **kwargs) -> dict:
    own = {"tools": list(tools), "messages": list(messages)}
    return {**own, "chat_template_kwargs": kwargs} if kwargs else own


TOOL_CONVERSATIONS = [
    chat(QUESTION),
    chat(SYSTEM, QUESTION, tools=(WEATHER, MAIL)),
    chat(QUESTION, asks(ZURICH, content="")),
    chat(QUESTION, asks(ZURICH)),
    chat(QUESTION, asks(ZURICH, content=None)),
    chat(QUESTION, asks(ZURICH, content="I look it up.")),
    chat(SYSTEM, QUESTION, asks(ZURICH, content=""), RESULT, ANSWER),
    chat(SYSTEM, QUESTION, asks(ZURICH), RESULT, ANSWER, message("user", "Mail it."), asks(LETTER), tools=(MAIL, WEATHER)),
    chat(QUESTION, asks(ZURICH, LETTER, content=""), RESULT, message("tool", "sent", tool_call_id="000000001", name="send_mail"), ANSWER, tools=(CLOCK, MAIL, WEATHER)),
    chat(QUESTION, asks(ZURICH), RESULT, asks(LETTER), message("tool", "", tool_call_id="000000001", name="send_mail"), ANSWER, tools=(WEATHER, MAIL)),
    chat(message("user", "Time?"), asks(call("clock", {}, "123456789")), message("tool", "noon", tool_call_id="123456789", name="clock"), tools=(CLOCK,)),
    chat(QUESTION, asks(call("get_weather", {"city": "Zürich"}), content="")),
    chat(QUESTION, message("assistant", "Where?"), message("user", "In Zürich."), asks(ZURICH, content="", reasoning_content="The city is known.")),
    chat(QUESTION, ANSWER, message("user", "And in Genève?")),
    chat(message("user", [{"type": "text", "text": "Weather?"}]), asks(ZURICH)),
    chat(SYSTEM, QUESTION, enable_thinking=False),
    chat(SYSTEM, QUESTION, asks(ZURICH), RESULT, enable_thinking=True, thinking=True, date_string="05 Mar 2026"),
    chat(QUESTION, tools_in_user_message=False, builtin_tools=["code_interpreter"], reasoning_effort="high", xml_tools=["x"]),
]
