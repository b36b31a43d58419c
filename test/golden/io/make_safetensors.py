"""Writes the golden safetensors files next to this script: python test/golden/packed.py test/golden/io/make_safetensors.py. Needs torch, safetensors, numpy.

The values are simple counters, so that the tests can create the same tensors.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

here = Path(__file__).parent


def counted(dtype, *shape):
    size = 1
    for side in shape:
        size *= side
    return (torch.arange(size) % 2 if dtype == torch.bool else torch.arange(size) - 3 * dtype.is_signed).to(dtype).reshape(shape)


names = ["bool", "uint8", "int8", "int16", "float16", "bfloat16", "int32", "float32", "float64", "int64"]
tensors = {f"{name}.weight": counted(getattr(torch, name), 3, 5) for name in names}
save_file(tensors, here / "dtypes.safetensors", {"format": "pt"})

# Names whose order requires UTF-8 comparison, an escape, numeric names, a scalar, an empty tensor.
odd = ["10", "2", "b.\U0001f600", "b.\ufb01", 'quote"\\back\nline', "a", "A", "z\u007f\u2028"]
tensors = {name: counted(torch.float32, 2) for name in odd}
tensors["scalar"] = torch.tensor(2.5, dtype=torch.float64)
tensors["empty"] = torch.zeros(0, 4)
save_file(tensors, here / "names.safetensors")
