"""Copies a BERT whose query and value weights are transposed, as the BiDoRA reference code uses RoBERTa's (needs safetensors and numpy).

    python docs/results/slopes/transpose.py MODEL COPY
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

source, copy = map(Path, sys.argv[1:])
shutil.copytree(source, copy)
file = copy / "model.safetensors"
weights = load_file(file)
for name, weight in weights.items():
    if name.endswith((".self.query.weight", ".self.value.weight")):
        weights[name] = np.ascontiguousarray(weight.T)
with safe_open(file, "np") as opened:
    metadata = opened.metadata()
save_file(weights, file, metadata)
