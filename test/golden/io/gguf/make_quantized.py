"""A GGUF model whose matrices are Q8_0 blocks, and what transformers and PEFT compute with it.

VENV/bin/pip install torch transformers peft gguf; VENV/bin/python test/golden/packed.py test/golden/io/gguf/make_quantized.py
Written beside this script; the same versions give the same bytes.

q8_0.gguf         a tiny llama: every matrix Q8_0, but `ffn_down`, whose rows don't fill blocks, F16; tied embeddings, biases
q8_0.safetensors  its weights as transformers reads them, float32
q8_0-ran.safetensors  in float64: the logits of `ids`, and for LoRA and DoRA of all linear layers `NAME/loss`, `NAME/PARAMETER`, and
                  `NAME/grad/PARAMETER`
"""

import os
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig

sys.path.append(str(Path(__file__).parents[2]))
from precision import keep_float64  # noqa: E402

from make_gguf import HERE, add_byte_level, add_model, byte_level, finish, gguf_name, permute, shape

FILE = "q8_0.gguf"
IDS = [5, 17, 301, 42, 42, 9, 128, 77, 250, 3]


def make_model():
    chat = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|tool|>"]
    plain = {"rope_type": "default", "rope_theta": 50000.0}
    config = LlamaConfig(
        **{**shape(rope_parameters=plain, tie_word_embeddings=True, head_dim=8), "hidden_size": 64, "intermediate_size": 80}
    )
    writer = gguf.GGUFWriter(HERE / FILE, "llama")
    writer.add_name("Tiny Q8_0")
    tokenizer = byte_level("smollm", chat)
    config.vocab_size = len(add_byte_level(writer, tokenizer, "smollm", chat, ["<think>", "</think>"]))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(0)
    writer.add_rope_dimension_count(config.head_dim)
    state = add_model(writer, "llama", config, {"down_proj": T.F16, "": T.Q8_0})
    finish(writer)
    return config, state


def check_values(config, weights):
    """transformers' values are the package's own."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    by_name = {tensor.name: tensor for tensor in gguf.GGUFReader(HERE / FILE).tensors}
    for name, values in weights.items():
        tensor = by_name[gguf_name(name, "llama")]
        found = dequantize(tensor.data, tensor.tensor_type).reshape(values.shape)
        of = next((count for part, count in heads.items() if part in name), None)
        theirs = values.numpy() if of is None else permute(values.numpy(), of)
        assert np.array_equal(found, theirs), name


def run(name, **settings):
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(HERE, gguf_file=FILE, dtype=torch.float32).double()
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", lora_dropout=0.0, task_type="CAUSAL_LM", **settings)
    model = get_peft_model(base, config).double()
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    with torch.no_grad():
        for value in trained.values():
            value.add_(torch.randn_like(value) * 0.1)
    ids = torch.tensor([IDS])
    loss = torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:])
    loss.backward()
    short = lambda key: key.replace("base_model.model.", "").replace(".default", "").replace("vector.weight", "vector")
    return {
        f"{name}/loss": loss.detach().reshape(1),
        **{f"{name}/{short(key)}": value.detach() for key, value in trained.items()},
        **{f"{name}/grad/{short(key)}": value.grad for key, value in trained.items()},
    }


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    keep_float64()
    config, state = make_model()
    model = AutoModelForCausalLM.from_pretrained(HERE, gguf_file=FILE, dtype=torch.float32)
    weights = {key: model.state_dict()[key].contiguous().clone() for key in state}
    check_values(config, weights)
    save_file(weights, HERE / "q8_0.safetensors")
    with torch.no_grad():
        logits = model.double()(input_ids=torch.tensor([IDS])).logits[0]
    ran = {"ids": torch.tensor(IDS, dtype=torch.int32), "logits": logits.contiguous(), **run("lora"), **run("dora", use_dora=True)}
    save_file(ran, HERE / "q8_0-ran.safetensors")
