"""Writes best_points.json next to this file: the bootstrap over seeds of a curve's best point, over every possible resample.

    pip install numpy
    python test/golden/compare/make_best_points.py

All n^n resamples of n seeds are equally likely, so shares and optimism are exact, without drawing.
"""

import itertools
import json
from pathlib import Path

import numpy as np

random = np.random.default_rng(11)
cases = []


def add(name, scores, goal):
    s = np.array(scores) * (1 if goal == "maximize" else -1)
    n = s.shape[1]
    finite = np.isfinite(s).all(axis=1)
    means = np.where(finite, s.mean(axis=1), -np.inf)
    shares, optimism = np.zeros(len(s)), 0.0
    for places in itertools.product(range(n), repeat=n):
        drawn = np.where(finite, s[:, list(places)].mean(axis=1), -np.inf)
        best = np.flatnonzero(np.isclose(drawn, drawn.max(), rtol=0, atol=1e-12))
        shares[best] += 1 / len(best)
        optimism += (drawn[best] - means[best]).mean()
    cases.append(
        {
            "name": name,
            "goal": goal,
            "scores": [[None if np.isnan(x) else x for x in row] for row in scores],
            "best": int(np.argmax(np.round(means, 12))),
            "shares": (shares / n**n).tolist(),
            "optimism": optimism / n**n,
        }
    )


close = (0.9 + 0.02 * random.standard_normal((4, 5))).round(4).tolist()
add("close scores", close, "maximize")
add("close losses", close, "minimize")
add("a clear winner", [[0.5, 0.51, 0.49], [0.8, 0.81, 0.79]], "maximize")
add("equal points", [[0.5, 0.6], [0.5, 0.6], [0.1, 0.2]], "maximize")
add("the best point diverged with one seed", [[0.9, float("nan"), 0.9], [0.5, 0.6, 0.7], [0.6, 0.5, 0.7]], "maximize")

Path(__file__).with_name("best_points.json").write_text(json.dumps(cases, indent=1) + "\n")
