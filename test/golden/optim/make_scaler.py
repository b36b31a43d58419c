"""Writes scaler.json: the scales of torch.amp.GradScaler after each of many steps, some of which have gradients that are not finite.
The steps are run-length encoded: [whether the gradients are finite, number of steps, scale after them].

    pip install torch==2.13.0
    python test/golden/optim/make_scaler.py
"""

import json
from pathlib import Path

import torch

RUNS = [(False, 3), (True, 1999), (False, 1), (True, 2000), (True, 1), (False, 2), (True, 4001), (False, 1)]

scaler = torch.amp.GradScaler("cpu")
weight = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=1.0)
scaler.scale(torch.zeros(()))  # makes the scale
found = []
for is_finite, count in RUNS:
    for _ in range(count):
        weight.grad = torch.tensor([1.0 if is_finite else float("inf")])
        scaler.step(optimizer)
        scaler.update()
    found.append([is_finite, count, scaler.get_scale()])
versions = {"torch": torch.__version__}
Path(__file__).with_name("scaler.json").write_text(json.dumps({"versions": versions, "start": 65536.0, "runs": found}, indent=2) + "\n")
