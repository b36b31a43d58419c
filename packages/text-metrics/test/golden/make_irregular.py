"""Writes src/irregularForms.ts: words whose base form METEOR's rules do not find by themselves.

    python test/golden/make_irregular.py WORDNET

WORDNET is the folder `dict` of WordNet 3.0, https://wordnet.princeton.edu, with its lists of exceptions (*.exc). Of these
all are left out that are no single word of letters and digits, and those for which the rules give the same meanings.
"""

import collections
import re
import sys
from pathlib import Path

DICT = Path(sys.argv[1])
TARGET = Path(__file__).parents[2] / "src/irregularForms.ts"
PARTS = ["noun", "verb", "adj", "adv"]
ENDINGS = [
    ("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"),
    ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", ""), ("er", ""), ("est", ""), ("er", "e"), ("est", "e"),
]  # fmt: skip

HEAD = """/**
 * Words with an irregular form, and their forms: an entry is a base and, after a space each, its forms; "+ren" is put after
 * the base, "-ied" in the place of its last letter, anything else is the form itself. Made by
 * test/golden/make_irregular.py from the exceptions of WordNet 3.0, Copyright 2006 by Princeton University, which
 * may be used, copied, modified and distributed for any purpose without fee (see NOTICE). Forms that rules find are left out.
 */
export const IRREGULAR_FORMS = `
"""


def lines(name):
    return [line.split() for line in (DICT / name).read_text().splitlines() if not line.startswith(" ")]


def meanings():
    synsets = collections.defaultdict(set)
    for part in PARTS:
        for word, _, count, *rest in lines(f"index.{part}"):
            synsets[word] |= set(map(int, rest[-int(count):]))
    return synsets


def by_rule(word, synsets):
    if word.endswith("ss") or len(word) <= 2:
        return word
    for ending, put in ENDINGS:
        base = word.removesuffix(ending) + put
        if word.endswith(ending) and base in synsets:
            return base
    return ""


def irregular():
    """Base to forms."""
    synsets = meanings()
    bases = collections.defaultdict(set)
    for part in PARTS:
        for form, *of in lines(f"{part}.exc"):
            bases[form] |= set(of)
    forms = collections.defaultdict(list)
    none = set()
    for form, of in sorted(bases.items()):
        told = set().union(*(synsets.get(base, none) for base in of))
        ruled = synsets.get(by_rule(form, synsets), none)
        own = synsets.get(form, none)
        if re.fullmatch("[a-z0-9]+", form) and told | own != ruled | own:
            for base in of:
                forms[base].append(form)
    return forms


def brief(base, form):
    if form.startswith(base):
        return "+" + form[len(base):]
    return "-" + form[len(base) - 1:] if form.startswith(base[:-1]) else form


def main():
    entries = [" ".join([base, *(brief(base, form) for form in forms)]) for base, forms in sorted(irregular().items())]
    rows = [""]
    for entry in entries:
        if len(rows[-1]) + len(entry) > 150:
            rows.append("")
        rows[-1] += entry + ";"
    TARGET.write_text(HEAD + "\n".join(rows) + "\n`;\n")


if __name__ == "__main__":
    main()
