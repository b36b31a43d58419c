"""Writes intervals.json next to this file: scipy's BCa intervals for given resamples, and scipy's Wilson intervals.

    pip install scipy==1.17.1 scikit-learn
    python test/golden/metrics/make_intervals.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.stats import binomtest, bootstrap
from scipy.stats._resampling import BootstrapResult
from sklearn.metrics import accuracy_score, mean_squared_error

RANDOM = np.random.default_rng(23)
ROWS, DRAWS = 24, 300
draws = RANDOM.integers(0, ROWS, (DRAWS, ROWS))


def bca(metric, references, predictions, confidence):
    drawn = np.array([metric(references[rows], predictions[rows]) for rows in draws])
    known = BootstrapResult(confidence_interval=None, bootstrap_distribution=drawn, standard_error=None)
    statistic = lambda x, y: metric(x, y)
    found = bootstrap(
        (references, predictions),
        statistic,
        paired=True,
        vectorized=False,
        n_resamples=0,
        bootstrap_result=known,
        confidence_level=confidence,
        method="BCa",
    ).confidence_interval
    return {"low": found.low, "high": found.high}


def case(name, metric, references, predictions):
    intervals = {str(c): bca(metric, references, predictions, c) for c in (0.5, 0.9, 0.95)}
    return {"metric": name, "references": references.tolist(), "predictions": predictions.tolist(), "intervals": intervals}


classes = RANDOM.integers(0, 3, ROWS)
guesses = np.where(RANDOM.random(ROWS) < 0.25, (classes + 1) % 3, classes)
numbers = RANDOM.standard_normal(ROWS)
close = numbers + 0.5 * RANDOM.standard_normal(ROWS)
cases = [
    case("accuracy", accuracy_score, classes, guesses),
    case("meanSquaredError", mean_squared_error, numbers, close),
    case("pearson", lambda x, y: np.corrcoef(x, y)[0, 1], numbers, close),
]
shares = [
    {"right": right, "rows": rows, "confidence": c, "low": found.low, "high": found.high}
    for right, rows in [(0, 1), (1, 1), (0, 20), (19, 20), (20, 20), (7, 31), (4692, 4693), (312, 872)]
    for c in (0.5, 0.95, 0.999)
    for found in [binomtest(right, rows).proportion_ci(c, method="wilson")]
]
out = {"draws": draws.tolist(), "cases": cases, "shares": shares}
Path(__file__).with_name("intervals.json").write_text(json.dumps(out) + "\n")
