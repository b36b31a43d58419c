"""Writes embeddings/bert-mean as llama.cpp's converter does: python test/golden/packed.py test/golden/io/gguf/converted/make_converted.py LLAMA_CPP

LLAMA_CPP is a clone of llama.cpp; `git clone node_modules/node-llama-cpp/llama/gitRelease.bundle LLAMA_CPP` gives the tests' version (v0.4.0).
Needs torch, transformers and sentencepiece.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
MODEL = HERE.parents[2] / "embeddings" / "bert-mean"

if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.path[:0] = [f"{sys.argv[1]}/gguf-py", sys.argv[1]]
    sys.argv = ["convert", str(MODEL), "--outtype", "f32", "--outfile", str(HERE / "bert-mean.gguf")]
    import convert_hf_to_gguf
    from conversion.base import TextModel

    # it recognizes tokenizers by the tokens of a text, which those of a small vocabulary are not; WordPiece ignores the name
    TextModel.get_vocab_base_pre = lambda self, tokenizer: "default"
    convert_hf_to_gguf.main()
