"""Extractive question answering as in transformers' run_qa.py: context windows, logits, losses, gradients and predictions."""

import json
import math
import re
from pathlib import Path

import torch
from checkpoints import NO_DROPOUT, SIZES, draw_parameters, save, write_tensors
from families import Family
from texts import LONG_TEXT, SENTENCES, UNICODE_TEXT, load_tokenizer

MAX_LENGTH = 30
OVERLAP = 128
LONGEST = 30


def question_rows() -> list[dict]:
    """Rows in SQuAD's format: answers at both ends, beyond the first window, missing, and after an emoji, where offsets count code points."""

    def row(question: str, context: str, *answers: str) -> dict:
        return {"question": question, "context": context, "answers": {"text": list(answers), "answer_start": [context.index(a) for a in answers]}}

    return [
        row("who left the harbour", SENTENCES[0], "the small boat", "boat"),
        row("  what grows", SENTENCES[1], "stone wall"),
        row("where is there no answer", SENTENCES[2]),
        row("how many coins", LONG_TEXT, "seven red apples"),
        row("what did the teacher write", LONG_TEXT, "three long words on the board"),
        row("which letter", UNICODE_TEXT, "Ωmega", "mega"),
        row("", "a", "a"),
    ]


def windows(tokenizer, row: dict) -> list[dict]:
    """The windows of a question's context, which overlap."""
    question = row["question"].lstrip()
    room = MAX_LENGTH - len(tokenizer(question, add_special_tokens=False).input_ids) - tokenizer.num_special_tokens_to_add(pair=True)
    encoded = tokenizer(
        question, row["context"], truncation="only_second", max_length=MAX_LENGTH, stride=min(OVERLAP, room // 2),
        return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True,
    )
    return [
        {
            "ids": encoded.input_ids[i],
            "types": encoded.token_type_ids[i] if "token_type_ids" in tokenizer.model_input_names else [0] * len(encoded.input_ids[i]),
            "offsets": [pair if side == 1 else None for pair, side in zip(encoded.offset_mapping[i], encoded.encodings[i].sequence_ids)],
        }
        for i in range(len(encoded.input_ids))
    ]


def target(window: dict, row: dict) -> tuple[int, int]:
    """The span of the first answer, or the first token if the window does not contain it completely."""
    places = [i for i, pair in enumerate(window["offsets"]) if pair is not None]
    if not row["answers"]["text"] or not places:
        return 0, 0
    start = row["answers"]["answer_start"][0]
    end = start + len(row["answers"]["text"][0])
    if window["offsets"][places[0]][0] > start or window["offsets"][places[-1]][1] < end:
        return 0, 0
    return max(i for i in places if window["offsets"][i][0] <= start), min(i for i in places if window["offsets"][i][1] >= end)


def spans(window: dict, logits: torch.Tensor) -> list[tuple[float, int, int]]:
    places = [i for i, pair in enumerate(window["offsets"]) if pair is not None]
    return [
        ((logits[a, 0] + logits[b, 1]).item(), window["offsets"][a][0], window["offsets"][b][1])
        for a in places for b in places if a <= b < a + LONGEST
    ]


def prediction(row: dict, found: list[tuple[dict, torch.Tensor]]) -> dict:
    candidates = [span for window, logits in found for span in spans(window, logits)]
    none = min((logits[0, 0] + logits[0, 1]).item() for _, logits in found)
    score, start, end = max(candidates, key=lambda span: span[0])
    if none > score:
        score, start, end = none, 0, 0
    total = math.fsum(math.exp(s) for s, _, _ in candidates) + math.exp(none)
    return {"answer": row["context"][start:end], "start": start, "end": end, "score": math.exp(score) / total}


def write_questions(family: Family, root: Path, target_folder: Path) -> dict:
    """Writes the checkpoint `questions` and questions.safetensors; returns the manifest's entry."""
    tokenizer = load_tokenizer(family, False)
    settings = SIZES | NO_DROPOUT | {"num_hidden_layers": 2} | family.config | {"vocab_size": len(tokenizer)}
    model = family.transformers_class("ForQuestionAnswering")(family.model_config(settings))
    draw_parameters(model)
    model.eval()
    with torch.no_grad():
        dict(model.named_modules())["classifier" if hasattr(model, "classifier") else "qa_outputs"].weight.mul_(4)  # so that answers differ
    save(model, family, target_folder / "questions")

    rows = question_rows()
    kept, losses, predictions = [], [], []
    for row in rows:
        found = []
        for window in windows(tokenizer, row):
            start, end = target(window, row)
            ids = torch.tensor([window["ids"]])
            types = {"token_type_ids": torch.tensor([window["types"]])} if family.has_types else {}
            # one row at a time, since in a padded batch transformers counts padding as possible answer positions
            output = model(input_ids=ids, **types, start_positions=torch.tensor([start]), end_positions=torch.tensor([end]))
            logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=1)
            losses.append(output.loss)
            found.append((window, logits.detach()))
            kept.append((window, (start, end), logits.detach()))
        predictions.append(prediction(row, found))
    loss = torch.stack(losses).mean()
    loss.backward()

    lengths = torch.tensor([len(window["ids"]) for window, _, _ in kept])
    tensors = {
        "lengths": lengths,
        "input_ids": torch.cat([torch.tensor(window["ids"]) for window, _, _ in kept]),
        "token_type_ids": torch.cat([torch.tensor(window["types"]) for window, _, _ in kept]),
        "spans": torch.tensor([span for _, span, _ in kept]),
        "logits": torch.cat([logits for _, _, logits in kept]),
        "loss": loss,
    }
    gradients = {f"grad.{name}": p.grad for name, p in model.named_parameters() if re.match("qa_outputs|classifier", name) or re.search(r"(query|query_proj|q_proj|q_lin|Wqkv|c_attn|attn\.q)\.weight$", name)}
    write_tensors(target_folder / "questions.safetensors", tensors | gradients)
    (root / "rows" / "questions.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return {"checkpoint": "questions", "rows": "questions", "maxLength": MAX_LENGTH, "file": "questions.safetensors", "predictions": predictions}
