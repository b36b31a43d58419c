"""Tiny models that transformers and bitsandbytes quantized on the CPU, and what PEFT computes with them.

VENV/bin/pip install torch transformers peft bitsandbytes accelerate; VENV/bin/python test/golden/packed.py test/golden/io/bitsandbytes/make_models.py [NAME …]
Written beside this script; the same versions give the same bytes.

NAME/              the folder as transformers saves it
NAME/lora, /dora   adapters as PEFT saves them, with trained values that are no starting values
NAME.safetensors   float32: `ids` and `lengths` of rows (and `labels`), their `logits` without an adapter, and for each adapter `ADAPTER/loss`,
                   `ADAPTER/grad/PARAMETER`, and `ADAPTER/after/PARAMETER` after three steps of AdamW on all rows
"""

import sys
from pathlib import Path

import bitsandbytes as bnb
import bitsandbytes.functional as F
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BitsAndBytesConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

HERE = Path(__file__).parent
VOCABULARY = 99
LENGTHS = [5, 3, 7, 4]
LABELS = [1, 0, 2, 1]

# Rows of 64 and 96, or of 64 and 80 elements.
SIZES = {"vocab_size": VOCABULARY}
LLAMA = LlamaConfig(
    **SIZES, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=32, tie_word_embeddings=False, initializer_range=0.2,
)  # fmt: skip
BERT = BertConfig(
    **SIZES, hidden_size=64, intermediate_size=80, num_hidden_layers=1, num_attention_heads=4, num_labels=3,
    max_position_embeddings=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2,
)  # fmt: skip
GPT2 = GPT2Config(
    **SIZES, n_embd=64, n_inner=80, n_layer=1, n_head=4, n_positions=32, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    initializer_range=0.2, bos_token_id=0, eos_token_id=0,
)  # fmt: skip


def four_bits(kind, **settings):
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=kind, **settings)


# name: (class, configuration, quantization, dtype, with adapters)
MODELS = {
    "llama-nf4": (LlamaForCausalLM, LLAMA, four_bits("nf4", bnb_4bit_use_double_quant=True), torch.float32, True),
    "llama-int8": (LlamaForCausalLM, LLAMA, BitsAndBytesConfig(load_in_8bit=True), torch.float32, True),
    "llama-bfloat16": (LlamaForCausalLM, LLAMA, four_bits("nf4"), torch.bfloat16, False),
    # The output layer is packed too.
    "llama-output": (LlamaForCausalLM, LLAMA, four_bits("nf4", llm_int8_skip_modules=["none"]), torch.float32, False),
    "bert-nf4": (
        BertForSequenceClassification,
        BERT,
        four_bits("nf4", bnb_4bit_use_double_quant=True, llm_int8_skip_modules=["classifier"]),
        torch.float32,
        True,
    ),
    "bert-int8": (
        BertForSequenceClassification,
        BERT,
        BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=["classifier"]),
        torch.float32,
        True,
    ),
    # The head is packed too, and codes lie in bfloat16 tensors.
    "bert-head": (
        BertForSequenceClassification,
        BERT,
        four_bits("fp4", bnb_4bit_quant_storage=torch.bfloat16),
        torch.float32,
        False,
    ),
    "gpt2-nf4": (GPT2LMHeadModel, GPT2, four_bits("nf4"), torch.float32, True),
    "gpt2-int8": (GPT2LMHeadModel, GPT2, BitsAndBytesConfig(load_in_8bit=True), torch.float32, False),
}


def take_the_definition():
    """bitsandbytes' kernel for AVX-512 misreads rows that fill multiples of 32 but not of 64: values are decoded as one row."""
    theirs = F.dequantize_4bit

    def decoded(codes, state=None, *rest, quant_state=None, dtype=None, **others):
        state = state if quant_state is None else quant_state
        shape, own = state.shape, state.dtype
        state.shape, state.dtype = torch.Size((1, shape.numel())), dtype or own
        try:
            return theirs(codes.view(-1, 1), state).reshape(shape)
        finally:
            state.shape, state.dtype = shape, own

    def product(x, weight, quant_state, out=None, bias=None):
        # bitsandbytes decodes to the input's dtype; the state's dtype doesn't matter.
        return torch.nn.functional.linear(x, decoded(weight.data, quant_state, dtype=x.dtype), bias)

    F.dequantize_4bit = decoded
    bnb.matmul_4bit = product


def keep_scales():
    """bitsandbytes loses an int8 layer's scales where a layer is copied, as PEFT does for DoRA."""

    def initialize(layer):
        layer.state.CB, layer.weight.CB = layer.weight.CB, None
        layer.state.SCB = layer.state.SCB if layer.weight.SCB is None else layer.weight.SCB

    bnb.nn.Linear8bitLt.init_8bit_state = initialize


def rows():
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(1, VOCABULARY, (length,), generator=generator) for length in LENGTHS]


def logits_of(model, is_language):
    """Of each row alone: [tokens, vocabulary], or [1, labels]."""
    found = [model(input_ids=row[None]).logits for row in rows()]
    return [each[0] if is_language else each for each in found]


def loss_of(model, is_language):
    logits = logits_of(model, is_language)
    if not is_language:
        return torch.nn.functional.cross_entropy(torch.cat(logits), torch.tensor(LABELS))
    pairs = [(each[:-1], row[1:]) for each, row in zip(logits, rows())]
    return torch.nn.functional.cross_entropy(torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs]))


def short(key):
    for part in ("base_model.model.", ".default", ".modules_to_save"):
        key = key.replace(part, "")
    return key.replace("vector.weight", "vector")


def run(make, folder, name, is_language, **settings):
    torch.manual_seed(3)
    task = {"task_type": "CAUSAL_LM"} if is_language else {"task_type": "SEQ_CLS"}
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0, **task, **settings)
    model = get_peft_model(make(), config).train()
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    with torch.no_grad():
        for key, value in trained.items():
            if "magnitude" not in key:
                value.add_(torch.randn_like(value) * 0.05)
    model.peft_config["default"].base_model_name_or_path = folder.name
    model.save_pretrained(folder / name)
    (folder / name / "README.md").unlink()
    # As transformers' Trainer does, biases don't decay.
    groups = [
        {"params": [value for key, value in trained.items() if key.endswith("bias") == is_bias], "weight_decay": decay}
        for is_bias, decay in ((False, 0.01), (True, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2)
    found = {}
    for step in range(3):
        optimizer.zero_grad()
        loss = loss_of(model, is_language)
        loss.backward()
        if step == 0:
            found[f"{name}/loss"] = loss.detach().reshape(1)
            found |= {f"{name}/grad/{short(key)}": value.grad.clone() for key, value in trained.items()}
        optimizer.step()
    return found | {f"{name}/after/{short(key)}": value.detach() for key, value in trained.items()}


def opened(model_class, folder):
    """In float32: transformers leaves what is not packed in the file's dtype."""
    model = model_class.from_pretrained(folder, device_map={"": "cpu"})
    for value in model.parameters():
        if not isinstance(value, bnb.nn.Params4bit) and value.is_floating_point():
            value.data = value.data.float()
    return model


def make(name, model_class, config, quantization, dtype, has_adapters):
    torch.manual_seed(1)
    plain = HERE / "plain"
    model = model_class(config).to(dtype)
    with torch.no_grad():
        for key, value in model.named_parameters():
            if value.ndim == 1:
                value.add_(torch.randn_like(value) * 0.1)
    model.save_pretrained(plain)
    folder = HERE / name
    quantized = model_class.from_pretrained(plain, quantization_config=quantization, dtype=dtype, device_map={"": "cpu"})
    quantized.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    for file in plain.iterdir():
        file.unlink()
    plain.rmdir()
    is_language = hasattr(model, "lm_head")
    again = lambda: opened(model_class, folder)  # noqa: E731
    with torch.no_grad():
        # In training mode: for inference bitsandbytes quantizes the inputs of int8 products as well.
        logits = torch.cat(logits_of(again().train(), is_language))
    tensors = {"ids": torch.cat(rows()).int(), "lengths": torch.tensor(LENGTHS).int(), "logits": logits}
    if not is_language:
        tensors["labels"] = torch.tensor(LABELS).int()
    if has_adapters:
        tensors |= run(again, folder, "lora", is_language)
        tensors |= run(again, folder, "dora", is_language, use_dora=True)
    save_file({key: value.contiguous() for key, value in tensors.items()}, HERE / f"{name}.safetensors")
    for file in [HERE / f"{name}.safetensors", *folder.rglob("*")]:
        file.chmod(0o755 if file.is_dir() else 0o644)


if __name__ == "__main__":
    torch.set_num_threads(1)
    take_the_definition()
    keep_scales()
    for name in sys.argv[1:] or MODELS:
        make(name, *MODELS[name])
