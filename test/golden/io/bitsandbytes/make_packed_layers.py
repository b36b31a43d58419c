"""Writes packed-layers.json: which layers of the golden models transformers packs where the output layer is named as one to skip.

VENV/bin/pip install torch transformers bitsandbytes accelerate; VENV/bin/python test/golden/io/bitsandbytes/make_packed_layers.py
"""

import json
from pathlib import Path

import bitsandbytes as bnb
import torch
import transformers
from transformers import AutoConfig, BitsAndBytesConfig
from transformers.integrations.bitsandbytes import replace_with_bnb_linear

HERE = Path(__file__).parent
GOLDEN = HERE.parent.parent
OUTPUTS = ("classifier", "score", "qa_outputs", "lm_head")


def packed(folder):
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = getattr(transformers, config.architectures[0])(config)
    replace_with_bnb_linear(model, list(OUTPUTS), quantization_config=BitsAndBytesConfig(load_in_4bit=True))
    return sorted(name for name, module in model.named_modules() if isinstance(module, bnb.nn.Linear4bit))


def main():
    folders = [
        path.parent
        for checkpoint in ("single", "tokens", "questions", "lm")
        for path in sorted(GOLDEN.glob(f"*/{checkpoint}/config.json"))
    ]
    found = {str(folder.relative_to(GOLDEN)): packed(folder) for folder in folders}
    (HERE / "packed-layers.json").write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


main()
