"""Writes squad.json next to this file: exact match and F1 by the algorithm of SQuAD's official script, version 2.0.

    python test/golden/metrics/make_squad.py

Needs only Python. The functions have the script's names; rows are random or edge cases.
"""

import collections
import json
import random
import re
import string
from pathlib import Path


def normalize_answer(text):
    text = text.lower()
    text = "".join(c for c in text if c not in set(string.punctuation))
    text = re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)
    return " ".join(text.split())


def get_tokens(text):
    return normalize_answer(text).split() if text else []


def compute_exact(gold, guess):
    return int(normalize_answer(gold) == normalize_answer(guess))


def compute_f1(gold, guess):
    gold, guess = get_tokens(gold), get_tokens(guess)
    same = sum((collections.Counter(gold) & collections.Counter(guess)).values())
    if not gold or not guess:
        return int(gold == guess)
    if same == 0:
        return 0
    precision, recall = same / len(guess), same / len(gold)
    return (2 * precision * recall) / (precision + recall)


def scores(references, guess):
    known = [text for text in references if normalize_answer(text)] or [""]
    return {
        "exactMatch": float(max(compute_exact(text, guess) for text in known)),
        "f1": float(max(compute_f1(text, guess) for text in known)),
    }


AWKWARD = [
    (["Saint Bernadette Soubirous"], "saint bernadette soubirous."),
    (["the Main Building"], "The  main\tbuilding!"),
    (["a copper statue of Christ", "copper statue"], "a statue of copper"),
    (["short", "the long answer of the two"], "the long answer"),
    (["the the the cat"], "cat the cat"),
    (["one one two"], "one two two"),
    (["no word in common"], "nothing else"),
    (["The Who"], "Who"),
    (["The"], "the"),
    (["The", "theatre"], "the"),
    ([], ""),
    ([""], ""),
    ([], "something"),
    (["something"], ""),
    (["..."], "!?"),
    (["..."], ""),
    (["U.S.A."], "usa"),
    (["rock-'n'-roll"], "rocknroll"),
    (["$1,000.50 + tax"], "100050 tax"),
    (["snake_case_a"], "snakecasea"),
    (["—dash—", "«quote»"], "dash"),
    (["¿qué?"], "¿que"),
    (["ÉCOLE à la carte"], "école à la carte"),
    (["école a la carte"], "école la carte"),
    (["a\u0301 propos"], "á propos"),
    (["a\u0301 propos"], "\u0301 propos"),
    (["éa", "aé"], "é"),
    (["a½ the²"], "½ ²"),
    (["the中"], "中"),
    (["İstanbul ΟΔΟΣ ΣΑΣ"], "i̇stanbul οδος σας"),
    (["STRASSE", "straße"], "Straße"),
    (["no\u00a0break\u2009thin\u202fnarrow\u3000wide"], "no break thin narrow wide"),
    (["yes—the—no"], "yes— —no"),
    (["file\x1cgroup\x1drecord\x1eunit\x1f next\x85line"], "file group record unit next line"),
    (["bom\ufeffword zero\u200bwidth"], "bom word zero width"),
    (["bom\ufeffword"], "bom\ufeffword"),
    (["😀 an emoji"], "emoji 😀"),
    (["１２ full-width　ａ the"], "１２ fullwidth ａ"),
]


def drawn(count):
    words = ["the", "a", "an", "The", "cat", "cat.", "Cats", "on", "mat,", "mat", "(red)", "red", "né", "'", "two-fold", "2", "An."]
    text = lambda: " ".join(random.choices(words, k=random.randrange(7)))
    return [([text() for _ in range(random.randrange(4))], text()) for _ in range(count)]


random.seed(20)
rows = [{"references": r, "prediction": p, **scores(r, p)} for r, p in AWKWARD + drawn(150)]
total = {key: sum(row[key] for row in rows) / len(rows) for key in ("exactMatch", "f1")}
golden = {"rows": rows, "total": total}
Path(__file__).with_name("squad.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
