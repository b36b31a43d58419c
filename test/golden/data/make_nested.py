"""Writes nested.json next to this file: random rows, the groups of those with equal or nested texts, and how many stand in others.

    python test/golden/data/make_nested.py

Every text is compared with every other, word by word, and groups are the connected components.
"""

import json
import random
from pathlib import Path

random.seed(5)
WORDS = ["a", "b", "c", "D", "é"]


def words(text):
    return text.lower().split()


def stands_in(part, whole):
    p, w = words(part), words(whole)
    return any(w[i : i + len(p)] == p for i in range(len(w) - len(p) + 1)) if p else False


def groups(rows, shortest):
    above = list(range(len(rows)))

    def top(i):
        return i if above[i] == i else top(above[i])

    for i, row in enumerate(rows):
        for j in range(i):
            equal = [words(t) for t in row] == [words(t) for t in rows[j]]
            nested = any(
                len(words(a)) >= shortest and stands_in(a, b) or len(words(b)) >= shortest and stands_in(b, a)
                for a in row
                for b in rows[j]
            )
            if equal or nested:
                x, y = top(i), top(j)
                above[max(x, y)] = min(x, y)
    return [top(i) for i in range(len(rows))]


def text(longest):
    return random.choice(["", " "]) + random.choice([" ", "  "]).join(
        random.choice(WORDS) for _ in range(random.randint(0, longest))
    )


cases = []
for texts in (1, 2):
    for shortest in (1, 2, 3, 5):
        rows = [[text(9) for _ in range(texts)] for _ in range(60)]
        held, kept = rows[:20], rows[20:]
        among = [t for row in kept for t in row]
        nested = sum(all(words(t) == [] and [] in map(words, among) or any(stands_in(t, o) for o in among) for t in row) for row in held)
        cases.append({"shortest": shortest, "rows": rows, "groups": groups(rows, shortest), "nested": nested})

Path(__file__).with_name("nested.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n")
