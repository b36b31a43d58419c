"""Writes a small XLM-RoBERTa reranker as llama.cpp's converter does, and its scores: python test/golden/io/gguf/converted/make_reranker.py LLAMA_CPP

LLAMA_CPP is a clone of llama.cpp, as for make_converted.py. The scores are sentence-transformers'. Needs torch, transformers, sentence-transformers and
sentencepiece.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True

import sentence_transformers
import torch
import transformers
from sentence_transformers import CrossEncoder
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

HERE = Path(__file__).parent
TOKENIZER = HERE.parent / "unigram"
NAME = "xlm-roberta-reranker"

PAIRS = [
    ("small boat", "The small boat left the harbour before sunrise."),
    ("", "old stone wall"),
    ("Über CAFÉ,  old (red) walls!\n\tand 漢字", "a teacher wrote three long words on the board"),
    ("river", ""),
    ("old wall", "three long words on the board " * 12),
]


def write_model(folder: str) -> None:
    torch.manual_seed(11)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, folder)
    size = len(json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"])
    sizes = {"hidden_size": 36, "intermediate_size": 52, "num_hidden_layers": 2, "num_attention_heads": 3, "max_position_embeddings": 66}
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    config = XLMRobertaConfig(vocab_size=size + 3, type_vocab_size=1, num_labels=1, layer_norm_eps=1e-5, **sizes, **ids)
    model = XLMRobertaForSequenceClassification(config)
    with torch.no_grad():  # scores of a model as it is initialized differ too little
        for key, parameter in model.named_parameters():
            if "LayerNorm" not in key:
                parameter.copy_(torch.randn_like(parameter) * (1.5 / parameter.shape[-1] ** 0.5 if parameter.dim() == 2 else 0.3))
    model.save_pretrained(folder)


def scores(folder: str) -> dict:
    model = CrossEncoder(folder, max_length=64, activation_fn=torch.nn.Identity(), local_files_only=True)
    return {
        "madeWith": {module.__name__: module.__version__ for module in (torch, transformers, sentence_transformers)},
        "pairs": [{"query": query, "document": document} for query, document in PAIRS],
        "outputs": model.predict(PAIRS).tolist(),
    }


def convert(folder: str, llama_cpp: str) -> None:
    sys.path[:0] = [f"{llama_cpp}/gguf-py", llama_cpp]
    sys.argv = ["convert", folder, "--outtype", "f32", "--outfile", str(HERE / f"{NAME}.gguf")]
    import convert_hf_to_gguf

    convert_hf_to_gguf.main()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        write_model(folder)
        found = scores(folder)
        (HERE / f"{NAME}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        convert(folder, sys.argv[1])
