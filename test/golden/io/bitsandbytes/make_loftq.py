"""A tiny llama whose adapters PEFT started by LoftQ, with its functions run on the CPU.

VENV/bin/pip install torch transformers peft bitsandbytes accelerate; VENV/bin/python test/golden/packed.py test/golden/io/bitsandbytes/make_loftq.py
Written beside this script; the same versions give the same values.

loftq/             the dense model
loftq.safetensors  float32: `ids` and `lengths` of rows, the dense model's `logits`; for FORM in nf4-lora, nf4-dora, int8-lora: `FORM/logits`, and of
                   each adapted layer `FORM/base/LAYER` (the base's values), `FORM/product/LAYER` (B·A) and `FORM/magnitude/LAYER`

alpha is the rank: PEFT's functions leave out the scale alpha / rank.
"""

import inspect

import torch
from make_models import HERE, LENGTHS, LLAMA, four_bits, logits_of, rows, take_the_definition
from peft import LoftQConfig, LoraConfig, get_peft_model
from peft.tuners.lora import layer as lora_layer
from peft.utils import loftq_utils
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

RANK = 4
FORMS = {"nf4-lora": (4, False), "nf4-dora": (4, True), "int8-lora": (8, False)}


def compute_on_cpu():
    """PEFT's functions as they are, but for the name of the device."""
    source = inspect.getsource(loftq_utils).replace('"xpu" if is_xpu_available() else "cuda"', '"cpu"')
    exec(compile(source, loftq_utils.__file__, "exec"), loftq_utils.__dict__)
    lora_layer.loftq_init = loftq_utils.loftq_init


def config_of(**settings):
    return LoraConfig(r=RANK, lora_alpha=RANK, target_modules="all-linear", task_type="CAUSAL_LM", **settings)


def adapted_layers(model):
    return {name.removeprefix("base_model.model."): each for name, each in model.named_modules() if hasattr(each, "lora_A")}


def product_of(layer):
    return layer.lora_B["default"].weight @ layer.lora_A["default"].weight


def started(folder, name, bits, is_dora):
    """By LoftQ with one iteration, which puts the quantized values into the dense model."""
    start = {"init_lora_weights": "loftq", "loftq_config": LoftQConfig(loftq_bits=bits, loftq_iter=1)}
    model = get_peft_model(LlamaForCausalLM.from_pretrained(folder), config_of(use_dora=is_dora, **start))
    found = {f"{name}/logits": torch.cat(logits_of(model, True))}
    for path, layer in adapted_layers(model).items():
        found[f"{name}/base/{path}"] = layer.base_layer.weight
        found[f"{name}/product/{path}"] = product_of(layer)
        if is_dora:
            found[f"{name}/magnitude/{path}"] = layer.lora_magnitude_vector["default"].weight
    return found


def check_replaced(folder, expected):
    """`replace_lora_weights_loftq` starts the adapter of a packed model in the same way."""
    packed = LlamaForCausalLM.from_pretrained(folder, quantization_config=four_bits("nf4"), dtype=torch.float32, device_map={"": "cpu"})
    model = get_peft_model(packed, config_of())
    loftq_utils.replace_lora_weights_loftq(model, model_path=str(folder))
    for path, layer in adapted_layers(model).items():
        torch.testing.assert_close(product_of(layer), expected[f"nf4-lora/product/{path}"], rtol=0, atol=1e-6)


def is_kept(key):
    """Of matrices, a square, a tall and a wide one are enough; LoRA's and DoRA's are the same."""
    _, part, path = (*key.split("/"), "", "")[:3]
    if part not in ("base", "product"):
        return True
    return "dora" not in key and path.endswith(("down_proj",) if part == "base" else ("q_proj", "up_proj", "down_proj"))


def make():
    torch.manual_seed(2)
    folder = HERE / "loftq"
    dense = LlamaForCausalLM(LLAMA)
    dense.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    found = {"ids": torch.cat(rows()), "lengths": torch.tensor(LENGTHS), "logits": torch.cat(logits_of(dense, True))}
    for name, (bits, is_dora) in FORMS.items():
        found |= started(folder, name, bits, is_dora)
    check_replaced(folder, found)
    tensors = {key: value.detach().contiguous() for key, value in found.items() if is_kept(key)}
    save_file(tensors, HERE / "loftq.safetensors")
    for name in FORMS:
        print(name, (found[f"{name}/logits"] - found["logits"]).abs().mean().item())


if __name__ == "__main__":
    take_the_definition()
    compute_on_cpu()
    make()
