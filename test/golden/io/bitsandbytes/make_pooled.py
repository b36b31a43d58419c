"""Writes bert-pooled/, a tiny BERT classifier that is not quantized, and bert-pooled.safetensors: `ids` and `lengths` of rows, and for each
FORMAT the logits, FORMAT/logits, once transformers and bitsandbytes have packed all of its linear layers but the classifier.

VENV/bin/pip install torch transformers peft bitsandbytes accelerate; VENV/bin/python test/golden/packed.py test/golden/io/bitsandbytes/make_pooled.py
"""

import torch
from make_models import BERT, HERE, LENGTHS, keep_scales, logits_of, rows, take_the_definition
from safetensors.torch import save_file
from transformers import BertForSequenceClassification, BitsAndBytesConfig

SKIPPED = {"llm_int8_skip_modules": ["classifier"]}
FORMATS = {
    "nf4": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", **SKIPPED),
    "fp4": BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="fp4", **SKIPPED),
    "int8": BitsAndBytesConfig(load_in_8bit=True, **SKIPPED),
}
FOLDER = HERE / "bert-pooled"


def main():
    torch.manual_seed(5)
    model = BertForSequenceClassification(BERT)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:
                value.add_(torch.randn_like(value) * 0.1)
    model.save_pretrained(FOLDER)
    tensors = {"ids": torch.cat(rows()).int(), "lengths": torch.tensor(LENGTHS).int()}
    for name, quantization in FORMATS.items():
        packed = BertForSequenceClassification.from_pretrained(
            FOLDER, quantization_config=quantization, dtype=torch.float32, device_map={"": "cpu"}
        )
        with torch.no_grad():
            # In training mode: for inference bitsandbytes quantizes the inputs of int8 products as well.
            tensors[f"{name}/logits"] = torch.cat(logits_of(packed.train(), False))
    save_file({key: value.contiguous() for key, value in tensors.items()}, HERE / "bert-pooled.safetensors")
    for file in [HERE / "bert-pooled.safetensors", *FOLDER.iterdir()]:
        file.chmod(0o644)


if __name__ == "__main__":
    torch.set_num_threads(1)
    take_the_definition()
    keep_scales()
    main()
