"""Writes bootstrap.json next to this file: percentile intervals and paired p-values by plain numpy, from the resamples in draws.json.

    node test/golden/compare/draws.mjs
    pip install numpy scikit-learn
    python test/golden/compare/make_bootstrap.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, mean_squared_error

here = Path(__file__).parent
dumped = json.loads((here / "draws.json").read_text())
draws = np.array(dumped["draws"])
tail = (1 - dumped["settings"]["confidence"]) / 2
rows = draws.shape[1]
random = np.random.default_rng(3)


def interval(values):
    low, high = np.percentile(values, [100 * tail, 100 * (1 - tail)])
    return {"low": low, "high": high}


METRICS = {
    "accuracy": accuracy_score,
    "meanSquaredError": mean_squared_error,
    "pearson": lambda x, y: np.corrcoef(x, y)[0, 1],
}


def case(name, names, references, a, b):
    result = {"name": name, "references": references.tolist(), "a": a.tolist(), "b": b.tolist()}
    result["intervals"] = {m: interval([METRICS[m](references[d], a[d]) for d in draws]) for m in names}
    result["paired"] = {}
    for m in names:
        f = METRICS[m]
        difference = f(references, a) - f(references, b)
        drawn = np.array([f(references[d], a[d]) - f(references[d], b[d]) for d in draws])
        far = np.round(np.abs(drawn - difference), 12) >= np.round(abs(difference), 12)
        p = (1 + far.sum()) / (1 + len(draws))
        result["paired"][m] = {"difference": difference, **interval(drawn), "p": p}
    return result


classes = random.integers(0, 3, rows)
numbers = random.standard_normal(rows)


def flipped(share):
    return np.where(random.random(rows) < share, (classes + 1) % 3, classes)


cases = [
    case("classes, one much better", ["accuracy"], classes, flipped(0.1), flipped(0.6)),
    case("classes, nearly alike", ["accuracy"], classes, flipped(0.3), flipped(0.3)),
    case(
        "numbers",
        ["meanSquaredError", "pearson"],
        numbers,
        numbers + 0.4 * random.standard_normal(rows),
        numbers + 0.7 * random.standard_normal(rows),
    ),
]
(here / "bootstrap.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
