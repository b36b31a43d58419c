"""Writes two-level.json next to this file: the bootstrap over seeds and rows by plain numpy, from the draws in draws.json, and quantiles of
Student's distribution by scipy.

    node test/golden/compare/draws.mjs
    pip install numpy scipy scikit-learn
    python test/golden/compare/make_two_level.py
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.metrics import accuracy_score, mean_squared_error

here = Path(__file__).parent
dumped = json.loads((here / "draws.json").read_text())
draws = np.array(dumped["draws"])
rows = draws.shape[1]
random = np.random.default_rng(11)

METRICS = {
    "accuracy": (accuracy_score, 1),
    "meanSquaredError": (mean_squared_error, -1),
    "pearson": (lambda x, y: np.corrcoef(x, y)[0, 1], 1),
}


def case(name, metric, references, a, b):
    f, sign = METRICS[metric]
    seeds = len(a)
    student = np.array(dumped["student"][str(seeds - 1)])
    by_seed = np.array([sign * (f(references, x) - f(references, y)) for x, y in zip(a, b)])
    difference = by_seed.mean()
    error = by_seed.std(ddof=1) / np.sqrt(seeds)
    drawn = np.array(
        [
            np.mean([sign * (f(references[d], x[d]) - f(references[d], y[d])) for x, y in zip(a, b)]) + t * error
            for d, t in zip(draws, student)
        ]
    )
    far = np.round(np.abs(drawn - difference), 12) >= np.round(abs(difference), 12)
    low, high, within_low, within_high = np.percentile(drawn, [2.5, 97.5, 5, 95])
    return {
        "name": name,
        "metric": metric,
        "references": references.tolist(),
        "a": [x.tolist() for x in a],
        "b": [x.tolist() for x in b],
        "expected": {"difference": difference, "low": low, "high": high, "p": (1 + far.sum()) / (1 + len(draws))},
        "within": {"low": within_low, "high": within_high},
    }


classes = random.integers(0, 3, rows)
numbers = random.standard_normal(rows)


def flipped(share):
    return np.where(random.random(rows) < share, (classes + 1) % 3, classes)


def noisy(size):
    return numbers + size * random.standard_normal(rows)


cases = [
    case("two seeds", "accuracy", classes, [flipped(0.2), flipped(0.3)], [flipped(0.4), flipped(0.5)]),
    case("five seeds", "pearson", numbers, [noisy(0.5) for _ in range(5)], [noisy(0.7) for _ in range(5)]),
    case(
        "less is better", "meanSquaredError", numbers, [noisy(0.5) for _ in range(5)], [noisy(0.6) for _ in range(5)]
    ),
]
shares = [0.05, 0.25, 0.5, 0.9, 0.975]
student = {str(freedom): [[share, stats.t.ppf(share, freedom)] for share in shares] for freedom in [1, 2, 4, 11]}
(here / "two-level.json").write_text(
    json.dumps({"cases": cases, "student": student}).replace('{"name"', '\n{"name"') + "\n"
)
