"""Writes wilcoxon.json next to this file: the signed-rank test on random pairs and edge cases.

    pip install scipy==1.17.1 numpy
    python test/golden/compare/make_wilcoxon.py

Statistics and normal p-values are scipy's. Its `method="exact"` is exact only for ranks without ties, so exact p-values are computed
from all 2^n sign combinations of the ranks. Without ties, the script checks them against scipy's.
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, wilcoxon

EXACT_UP_TO = 25

random = np.random.default_rng(7)
cases = []


def all_signs(d, statistic):
    """The share of all sign combinations of the mid-ranks whose smaller rank sum is at most the statistic."""
    doubled = np.round(2 * rankdata(np.abs(d))).astype(np.int16)
    sums = np.zeros(1, dtype=np.int16)
    for rank in doubled:
        sums = np.concatenate([sums, sums + rank])
    smaller = np.minimum(sums, doubled.sum() - sums)
    return int((smaller <= round(2 * statistic)).sum()) / 2 ** len(d)


def add(name, a, b):
    a, b = [float(x) for x in a], [float(x) for x in b]
    d = np.round(np.array(a) - np.array(b), 12)
    d = d[d != 0]
    method = "exact" if len(d) <= EXACT_UP_TO else "asymptotic"
    if len(d) == 0:
        statistic, p = 0.0, 1.0
    else:
        r = wilcoxon(d, method=method, correction=False, zero_method="wilcox")
        statistic, p = float(r.statistic), float(r.pvalue)
    if len(d) > 0 and method == "exact":
        counted = all_signs(d, statistic)
        ties = len(np.unique(np.abs(d))) != len(d)
        assert ties or abs(counted - p) < 1e-12, (name, counted, p)
        p = counted
    cases.append(dict(name=name, a=a, b=b, statistic=statistic, p=p, differing=len(d), distribution=method))


def drawn(n, shift, scale=0.02, mean=0.85, decimals=16):
    a = np.round(mean + scale * random.standard_normal(n) + shift, decimals)
    return a, np.round(mean + scale * random.standard_normal(n), decimals)


for n in (1, 2, 3, 4, 5, 6, 9, 14, 25, 26, 51):
    add(f"{n} pairs", *drawn(n, 0.01))
add("26 pairs, far apart", *drawn(26, 1.0))
add("300 pairs, far apart", *drawn(300, 1.0, decimals=3))
add("ties", *drawn(12, 0.01, decimals=2))
add("ties among 40", *drawn(40, 0.005, decimals=3))
add("two pairs, one tie", [0.9, 0.8], [0.8, 0.9])
add("all one difference", np.full(6, 0.9), np.full(6, 0.8))
add("all one difference but for rounding", [0.3, 0.2, 0.9, 0.7, 1.1], [0.2, 0.1, 0.8, 0.6, 1.0])
add("centre of three", [1, 2, 0], [0, 0, 3])
add("one zero among six", [0.5, 0.81, 0.92, 0.73, 0.64, 0.85], [0.5, 0.8, 0.9, 0.7, 0.6, 0.8])
a, b = drawn(28, 0.01)
b[[3, 11, 20]] = a[[3, 11, 20]]
add("28 pairs, three of them zero", a, b)
add("zero but for rounding", [0.1 + 0.2, 0.7, 0.8, 0.95], [0.3, 0.6, 0.61, 0.9])
add("no difference", [0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
add("no difference but for rounding", [0.1 + 0.2], [0.3])
add("no pairs", [], [])
add("perplexities", *drawn(11, 30, scale=400, mean=3000))
add("losses of 1e-9", *drawn(8, 0, scale=1e-9, mean=1e-8))
add("four equal differences, two zeros", [1, 1, 1, 1, 0, 0], np.zeros(6))
add("three equal differences, one against", [1, 1, 1, -1], np.zeros(4))
add("ties at the centre", [1, 1, -1, -1], np.zeros(4))
add("halves", [1, -1, 2, 3, 3, -3, 4], np.zeros(7))
add("15 pairs with ties", *drawn(15, 0.01, decimals=2))
add("25 pairs with ties", *drawn(25, 0.015, decimals=2))
a, b = drawn(30, 0.015, decimals=3)
b[[2, 9, 14, 21, 28]] = a[[2, 9, 14, 21, 28]]
add("30 pairs, five of them zero", a, b)
add("26 pairs with ties, 23 of them differ", *drawn(26, 0.01, decimals=2))
add("26 pairs of one difference", np.ones(26), np.zeros(26))

Path(__file__).with_name("wilcoxon.json").write_text(
    "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
)
