"""Writes chrf.json next to this file: chrF and chrF++ of sacrebleu, for each row alone and over all rows, as fractions.

    pip install sacrebleu==2.6.0
    python test/golden/metrics/make_chrf.py

Rows are random or edge cases.
"""

import json
import random
from pathlib import Path

from sacrebleu.metrics import CHRF

METRICS = {"chrf": CHRF(), "chrfPlusPlus": CHRF(word_order=2)}

# Whatever Python or JavaScript takes for whitespace, and what looks like it.
SPACES = "".join(map(chr, [9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF]))

AWKWARD = [
    (["the cat sat on the mat"], "the cat sat on the mat"),
    (["the cat sat on the mat"], "a dog"),
    (["xyz"], "abc"),
    ([""], ""),
    (["", ""], ""),
    ([""], "text"),
    (["text"], ""),
    (["", "text"], "text"),
    (["text", ""], "te"),
    ([" \t\n"], "\u3000"),
    (["a"], "a"),
    (["ab"], "a"),
    (["a"], "ab"),
    (["abcde"], "abcdef"),
    (["abcdef"], "abcde"),
    (["aaaa"], "aa"),
    (["aa"], "aaaaaaa"),
    (["The Cat"], "the cat"),
    (["white space"], "whitespace"),
    (["a b c d e f g"], "ab cd efg"),
    (["the long reference of the two", "short"], "short one"),
    (["short", "the long reference of the two"], "the long one"),
    (["abcd", "bcda"], "cdab"),
    (["ab xy", "xy ab uvw"], "ab uvw xy"),
    # Characters and words are closest to different references.
    (["onetwo three four five", "one two tree four fi ve"], "one two three four fi ve"),
    # Both references score 0, and the first counts.
    (["uvw", "longer than the other"], "1234"),
    (["also longer than the other", "uvw"], "1234"),
    (["(hi) there, you."], "( hi ) there , you ."),
    (["(hi)"], "(hi"),
    (["\"quoted\" text..."], "quoted text"),
    (["..."], ". . ."),
    (["!", "a !"], "!"),
    (["ab c", "a b c"], "a bc"),
    (["don't -- stop-it"], "don ' t - - stop - it"),
    (["¿qué? «sí»"], "¿ qué ? « sí »"),
    (["a_ b` c~ d{ e@ f/"], "a _ b ` c ~ d { e @ f /"),
    (["école à la carte"], "e\u0301cole à la carte"),
    (["中文句子没有空格。"], "中文的句子没空格。"),
    (["Добрый день"], "добрый вечер"),
    (["😀"], "😁"),
    (["😀😁😂"], "😀😂😁"),
    (["😀 😀 😀 😀 😀 😀"], "😀😀😀😀😀😀"),
    (["😀!"], "😀 !"),
    (["\ud83d \ude00"], "😀"),
    (["𝒳𝒴 = 𝒵"], "𝒴𝒳 = 𝒵"),
    (["👩‍👩‍👧 family"], "👩👩👧 family"),
    (["a" + "b".join(SPACES) + "c"], "ab" * len(SPACES) + "c"),
    (["a" + "b".join(SPACES) + "c"], "a " + "b " * (len(SPACES) - 1) + "c"),
]


def drawn(count):
    words = ["the", "cat", "cat.", "Cats", "(on)", "mat,", "mat", "né", "'", "two-fold", "2", "😀", "𝒳y", "中文", "?!", "\"mat"]
    text = lambda: random.choice([" ", " ", "  ", "\u2003"]).join(random.choices(words, k=random.randrange(9)))
    return [([text() for _ in range(random.randrange(1, 5))], text()) for _ in range(count)]


random.seed(20)
rows = AWKWARD + drawn(150)
most = max(len(references) for references, _ in rows)
# A stream for each place of a reference, None for rows with fewer.
streams = [[references[place] if place < len(references) else None for references, _ in rows] for place in range(most)]
golden = {
    "rows": [
        {"references": r, "prediction": p, **{name: metric.sentence_score(p, r).score / 100 for name, metric in METRICS.items()}}
        for r, p in rows
    ],
    "total": {name: metric.corpus_score([p for _, p in rows], streams).score / 100 for name, metric in METRICS.items()},
}
Path(__file__).with_name("chrf.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
