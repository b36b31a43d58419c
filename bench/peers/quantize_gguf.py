"""Quantizes a GGUF file as llama.cpp's own `llama-quantize` does. Arguments: the file, the new file, and its type."""

import sys

import llama_cpp

source, target, kind = sys.argv[1:]
settings = llama_cpp.llama_model_quantize_default_params()
settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
if llama_cpp.llama_model_quantize(source.encode(), target.encode(), settings) != 0:
    sys.exit(f"llama.cpp could not quantize {source} to {kind}.")
