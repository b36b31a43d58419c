"""Writes variance.json next to this file: components of variance of two-way crossed layouts with one value a cell.

    pip install numpy
    python test/golden/compare/make_variance.py

The sums of squares are those by which the residual of a least-squares fit falls when a factor's indicator columns are added (R's
`anova(lm(y ~ a + b))`), not those of means of rows and columns; the components solve the expected mean squares, which are computed from
the design's matrices too: E[SS] = tr(P V) for the projection P of a factor and V = var_a Z_a Z_a' + var_b Z_b Z_b' + var_e I. For a
large simulated layout the script checks that the estimates are near the true components.
"""

import json
from pathlib import Path

import numpy as np

random = np.random.default_rng(11)


def projection(x):
    return x @ np.linalg.pinv(x)


def components(y):
    d, s = y.shape
    a = np.kron(np.eye(d), np.ones((s, 1)))
    b = np.kron(np.ones((d, 1)), np.eye(s))
    one = np.ones((d * s, 1))
    full, without = projection(np.hstack([one, a, b])), projection(one)
    p_a = projection(np.hstack([one, a])) - without
    p_b = projection(np.hstack([one, b])) - without
    p_e = np.eye(d * s) - full
    flat = y.reshape(-1)
    parts = [p_a, p_b, p_e]
    squares = [flat @ p @ flat for p in parts]
    variances = [a @ a.T, b @ b.T, np.eye(d * s)]
    expected = np.array([[np.trace(p @ v) for v in variances] for p in parts])
    return np.linalg.solve(expected, squares)


def layout(d, s, of_a, of_b, of_e):
    return (
        0.8
        + of_a * random.standard_normal((d, 1))
        + of_b * random.standard_normal((1, s))
        + of_e * random.standard_normal((d, s))
    )


large = components(layout(40, 40, 0.3, 0.2, 0.1))
assert np.allclose(np.sqrt(large), [0.3, 0.2, 0.1], rtol=0.25), large

cases = []
for d, s, scales in [(2, 2, (1, 1, 1)), (3, 5, (0.03, 0.01, 0.02)), (5, 3, (0, 0.02, 0.02)), (4, 4, (0, 0, 1e-3)), (2, 7, (1, 0, 0.1))]:
    y = layout(d, s, *scales)
    cases.append({"scores": y.tolist(), "components": components(y).tolist()})
assert any(min(case["components"]) < 0 for case in cases)

path = Path(__file__).with_name("variance.json")
path.write_text(json.dumps(cases, indent=1) + "\n")
