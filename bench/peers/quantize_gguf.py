"""Quantizes a GGUF file as llama.cpp's own `llama-quantize` does, by a call of the same library. Arguments: the folder of node-llama-cpp's
libraries, the file, the new file, and its type.
"""

import ctypes
import sys
from pathlib import Path

# `llama_ftype` in llama.h.
TYPES = {"Q8_0": 7, "Q4_K_M": 15}


class Settings(ctypes.Structure):
    """The first members of `llama_model_quantize_params`, and room for the others, which keep their defaults."""

    _fields_ = [("threads", ctypes.c_int32), ("type", ctypes.c_int32), ("others", ctypes.c_byte * 504)]


def library(folder):
    """libllama, after the libraries that it needs; their names have a version."""
    for name in ("libggml-base*", "libggml.*", "libllama.*"):
        found = ctypes.CDLL(str(next(Path(folder).glob(name))), mode=ctypes.RTLD_GLOBAL)
    return found


folder, source, target, kind = sys.argv[1:]
llama = library(folder)
llama.llama_model_quantize_default_params.restype = Settings
settings = llama.llama_model_quantize_default_params()
settings.type = TYPES[kind]
if llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(settings)) != 0:
    sys.exit(f"llama.cpp could not quantize {source} to {kind}.")
