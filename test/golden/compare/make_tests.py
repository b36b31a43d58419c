"""Writes tests.json next to this file: Holm's correction by statsmodels, effect sizes by pingouin and numpy.

    pip install statsmodels==0.15.0 pingouin==0.7.0 scipy numpy
    python test/golden/compare/make_tests.py
"""

import json
from pathlib import Path

import numpy as np
import pingouin
from statsmodels.stats.multitest import multipletests

random = np.random.default_rng(11)
families = [
    [0.03],
    [0.01, 0.04, 0.03],
    [0.04, 0.04, 0.01, 0.04],
    [0.9, 0.5, 0.6],
    [1.0, 1.0],
    [0.001, 0.012, 0.0121],
    [1e-300, 0.5, 1e-12],
    (random.random(15) ** 3).tolist(),
]
holm = [dict(p=p, pHolm=multipletests(p, method="holm")[1].tolist()) for p in families]

effects = []
for name, a, b in [
    ("drawn", 0.8 + 0.1 * random.random(9), 0.78 + 0.1 * random.random(9)),
    ("ties", np.round(random.random(14), 1), np.round(random.random(14), 1)),
    ("two pairs", [0.9, 0.7], [0.8, 0.75]),
    ("a always above", [0.9, 0.8, 0.7], [0.1, 0.3, 0.4]),
    ("perplexities", 3000 + 400 * random.random(7), 3000 + 400 * random.random(7)),
]:
    a, b = np.array(a), np.array(b)
    d = np.round(a - b, 12)
    error = d.std(ddof=1) / np.sqrt(len(d))
    rbc = pingouin.wilcoxon(d[d != 0])["RBC"].iloc[0]
    effects.append(
        dict(
            name=name,
            a=a.tolist(),
            b=b.tolist(),
            meanDifference=d.mean(),
            standardError=error,
            cohensDz=d.mean() / d.std(ddof=1),
            rankBiserial=float(rbc),
        )
    )

Path(__file__).with_name("tests.json").write_text(json.dumps(dict(holm=holm, effects=effects), indent=1) + "\n")
