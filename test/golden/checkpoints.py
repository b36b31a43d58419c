"""Tiny random checkpoints, as transformers writes them."""

import json
import re
import shutil
import zlib
from pathlib import Path

import torch
from families import Family
from safetensors.torch import load_file, save_file
from texts import LABELS, load_tokenizer
from torch import nn
from transformers.models.esm import modeling_esm
from transformers.models.modernbert import modeling_modernbert

LAYERS = {"single": 3, "none": 1}  # number of layers; default 2
SIZES = {"hidden_size": 36, "num_attention_heads": 3, "intermediate_size": 52}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
DROPOUT = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.15, "classifier_dropout": 0.2}
PROBLEM = {"single": "single_label_classification", "multi": "multi_label_classification", "regression": "regression", "tokens": None}
KINDS = {"tokens": "ForTokenClassification", "lm": "ForCausalLM", "none": "Model"}  # default: ForSequenceClassification


def rotated(q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, unsqueeze_dim: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """transformers' apply_rotary_pos_emb, but without rounding float64 to float32."""
    cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
    return q * cos + modeling_esm.rotate_half(q) * sin, k * cos + modeling_esm.rotate_half(k) * sin


modeling_esm.apply_rotary_pos_emb = modeling_modernbert.apply_rotary_pos_emb = rotated
# ModernBERT's own computes softmax in float32 for every dtype; ESM's is the same without that cast.
modeling_modernbert.eager_attention_forward = modeling_esm.eager_attention_forward


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, path, metadata={"format": "pt"})


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def normal(name: str, shape: torch.Size) -> torch.Tensor:
    """Standard normal values that depend only on `name`."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(shape, generator=generator)


@torch.no_grad()
def draw_parameters(model: nn.Module) -> None:
    """Gives every parameter random values of a visible scale; none stays at 0 or 1."""
    for name, parameter in model.named_parameters():
        noise = normal(name, parameter.shape)
        if re.search(r"(norm|ln_\w)\.weight", name, re.IGNORECASE):
            parameter.copy_((0 if type(model).__name__.startswith("Gemma") else 1) + 0.3 * noise)  # Gemma adds the 1 itself
        elif "pre_classifier" in name:  # so that no unit is zero after ReLU for every row, with an adapter's copy of the layer too
            parameter.copy_(1.6 + 0.2 * noise if name.endswith("bias") else 0.04 * noise)
        elif name.endswith("bias"):
            parameter.copy_(0.2 * noise)
        else:
            scale = 0.5 if re.search("embed|wte|wpe", name) else 0.3 if "classifier" in name and "dense" not in name else 0.15
            parameter.copy_(scale * noise)


def build(family: Family, head: str, **settings) -> nn.Module:
    """A model with `head` ("none": the encoder without pooler), in evaluation mode."""
    vocabulary = family.tokenizer().get_vocab_size()
    layers = {"num_hidden_layers": LAYERS.get(head, 2)}
    options = SIZES | NO_DROPOUT | layers | family.config | {"vocab_size": vocabulary} | settings
    if head == "none":
        model = family.transformers_class("Model")(family.model_config(options), add_pooling_layer=False)
    elif head == "lm":
        model = family.transformers_class("ForCausalLM")(family.model_config(options))
    else:
        names = dict(enumerate(LABELS[head]))
        labels = {"id2label": names, "label2id": {name: i for i, name in names.items()}, "problem_type": PROBLEM[head]}
        model = family.transformers_class(KINDS.get(head, "ForSequenceClassification"))(family.model_config(options | labels))
    draw_parameters(model)
    return model.eval()


def save(model: nn.Module, family: Family, folder: Path, pre_split: bool = False, **options) -> None:
    model.save_pretrained(folder, **options)
    load_tokenizer(family, pre_split).save_pretrained(folder)


def write_checkpoints(family: Family, folder: Path) -> None:
    """Writes one folder per head, all without dropout except `dropout`, and some special folders."""
    for head in family.heads:
        save(build(family, head), family, folder / head, pre_split=head == "tokens")
    if family.is_decoder and family.name in ("gpt2", "llama", "gemma3_text"):  # tied if the default is untied, and vice versa
        tied = family.model_config({}).tie_word_embeddings
        save(build(family, "lm", tie_word_embeddings=not tied), family, folder / "lm-other")
    if family.depth >= 2:
        save(build(family, "single", **DROPOUT, num_hidden_layers=2), family, folder / "dropout")
    if family.depth >= 3:
        save(build(family, "none"), family, folder / "no-prefix")
        save(build(family, "single"), family, folder / "sharded", max_shard_size="60KB")
        write_old_names(folder / "single", folder / "old-names")


def write_old_names(source: Path, target: Path) -> None:
    """Renames tensors to the names of TensorFlow checkpoints, LayerNorm.gamma and LayerNorm.beta."""
    shutil.copytree(source, target)
    file = target / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    rename = lambda name: next((name.replace(new, was) for new, was in old.items() if new in name), name)
    save_file({rename(name): t for name, t in load_file(file).items()}, file, metadata={"format": "pt"})


def load(family: Family, folder: Path, head: str) -> nn.Module:
    """Loads a checkpoint, with eager attention where possible."""
    kind = KINDS.get(head, "ForSequenceClassification")
    options = {"add_pooling_layer": False} if head == "none" else {}
    return family.transformers_class(kind).from_pretrained(folder, attn_implementation=family.attention, **options).eval()
