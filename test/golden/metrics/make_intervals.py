"""Writes intervals.json next to this file: scipy's BCa intervals for given resamples, scipy's Wilson intervals,
and Newcombe's intervals (1998, method 10) of the difference of two shares of the same rows, on scipy's Wilson intervals.

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


def newcombe(table, confidence):
    """The difference of the rows' share less the columns'. Of the first table Fagerland, Lydersen and Laake (2014) have -0.507 to -0.026."""
    (a, b), (c, d) = table
    n = a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    ends = [binomtest(right, n).proportion_ci(confidence, method="wilson") for right in (a + b, a + c)]
    below1, above1, below2, above2 = p1 - ends[0].low, ends[0].high - p1, p2 - ends[1].low, ends[1].high - p2
    determinant, margins = a * d - b * c, (a + b) * (c + d) * (a + c) * (b + d)
    corrected = determinant - n / 2 if determinant > n / 2 else min(determinant, 0)
    phi = 0 if margins == 0 else corrected / margins**0.5
    return {
        "low": p1 - p2 - (below1**2 - 2 * phi * below1 * above2 + above2**2) ** 0.5,
        "high": p1 - p2 + (above1**2 - 2 * phi * above1 * below2 + below2**2) ** 0.5,
    }


TABLES = [
    [[1, 1], [7, 12]],
    [[59, 6], [16, 80]],
    [[36, 12], [2, 0]],
    [[0, 0], [0, 9]],
    [[9, 0], [0, 0]],
    [[0, 9], [0, 0]],
    [[5, 2], [2, 1]],
    [[3, 4], [1, 3]],
    [[700, 90], [35, 47]],
]
pairs = [{"table": table, "confidence": c, **newcombe(table, c)} for table in TABLES for c in (0.5, 0.95, 0.999)]
out = {"draws": draws.tolist(), "cases": cases, "shares": shares, "pairs": pairs}
Path(__file__).with_name("intervals.json").write_text(json.dumps(out) + "\n")
