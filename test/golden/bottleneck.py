"""Bottleneck adapters in torch, as hooks on a transformers model: logits, gradients, twelve steps."""

from collections.abc import Callable
from pathlib import Path

import torch
from checkpoints import load, normal, write_tensors
from dropout import ROWS, captured_masks
from families import Family
from forward import ROWS_OF, read_batch, run
from torch import nn
from training import DEFAULTS, batches, train, update_error

SIZE = 5
# By placement: whether bottlenecks also follow attention, their activation, and whether norms are trained.
PLACEMENTS = {
    "houlsby": (True, lambda x: nn.functional.gelu(x, approximate="tanh"), True),
    "pfeiffer": (False, nn.functional.relu, False),
}
OUTPUTS = {  # suffixes of the paths of the output layers of attention and feed-forward
    "bert": ("attention.output.dense", "output.dense"),
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "llama": ("self_attn.o_proj", "mlp.down_proj"),
}
HEADS = ("classifier", "score")


def insert_after(layer: nn.Module, width: int, activation: Callable) -> None:
    """Inserts y = h + up(activation(down(h))) after a layer with output h."""
    layer.adapter_down, layer.adapter_up = nn.Linear(width, SIZE), nn.Linear(SIZE, width)
    layer.register_forward_hook(lambda layer, _, h: h + layer.adapter_up(activation(layer.adapter_down(h))))


def insert(model: nn.Module, family: Family, placement: str) -> None:
    """Inserts bottlenecks with random values, as after training, and marks the trained parameters: bottlenecks, head, and for Houlsby the norms."""
    after_attention, activation, trains_norms = PLACEMENTS[placement]
    attention, feed_forward = OUTPUTS[family.name]
    for name, module in list(model.named_modules()):
        is_attention = name.endswith("." + attention)
        if is_attention and after_attention or name.endswith("." + feed_forward) and not is_attention:
            insert_after(module, model.config.hidden_size, activation)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name, module in model.named_modules():
        if name.endswith(("adapter_down", "adapter_up")) or name in HEADS or trains_norms and "Norm" in type(module).__name__:
            for key, parameter in module.named_parameters():
                parameter.requires_grad_(True)
                if "adapter" in name:
                    with torch.no_grad():
                        parameter.copy_(0.12 * normal(f"{name}.{key}", parameter.shape))


def open_model(family: Family, target: Path, checkpoint: str, placement: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    model = load(family, target / checkpoint, "single")
    insert(model, family, placement)
    return model.to(dtype)


def trained(model: nn.Module, prefix: str, value: Callable = lambda p: p.detach().clone()) -> dict[str, torch.Tensor]:
    return {f"{prefix}.{name}": value(p) for name, p in model.named_parameters() if p.requires_grad}


def write_bottlenecks(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes bottleneck/*.safetensors; returns the manifest's entries."""
    return [write_case(family, root, target, placement) for placement in PLACEMENTS if family.name in OUTPUTS and (placement == "houlsby" or family.depth >= 3)]


def write_case(family: Family, root: Path, target: Path, placement: str) -> dict:
    model = open_model(family, target, "single", placement)
    batch = read_batch(family, root, "single", ROWS_OF["single"])
    output = run(model, batch, "single")
    output.loss.backward()
    tensors = trained(model, "start") | {"logits": output.logits, "loss": output.loss} | trained(model, "grad", lambda p: p.grad)
    settings = DEFAULTS | {"maxGradNorm": 0.5, "gradientAccumulation": 2, "weightDecay": 0.1}
    ends = {}
    for dtype in (torch.float64, torch.float32):
        model = open_model(family, target, "single", placement, dtype)
        start = trained(model, "end")
        log = train(model, batches(family, root, settings["batchSize"]), settings)
        ends[dtype] = trained(model, "end")
    distance = update_error(start, ends[torch.float32], ends[torch.float64])
    print(f"  {family.name} bottleneck {placement}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}, float64 differs by {distance:.1e}")
    file = f"bottleneck/{placement}.safetensors"
    write_tensors(target / file, tensors | ends[torch.float32])
    entry = {
        "name": placement, "size": SIZE, "checkpoint": "single", "batch": f"forward/single-{ROWS_OF['single']}.safetensors", "rows": "train", "file": file,
        "settings": settings, **log, "float64Distance": distance,
    }
    return entry | ({"dropout": write_dropout_case(family, root, target, placement)} if family.depth >= 3 else {})


def write_dropout_case(family: Family, root: Path, target: Path, placement: str) -> str:
    """In training mode on `dropout/`, with the dropout masks: a sub-layer's dropout comes after the bottleneck."""
    model = open_model(family, target, "dropout", placement)
    batch = read_batch(family, root, "single", "pairs", ROWS)
    with captured_masks(model.train()) as masks:
        output = run(model, batch, "single")
    output.loss.backward()
    tensors = batch.tensors() | trained(model, "start") | {"logits": output.logits, "loss": output.loss} | trained(model, "grad", lambda p: p.grad)
    file = f"bottleneck/{placement}-dropout.safetensors"
    write_tensors(target / file, tensors | {f"mask.{path}": mask.to(torch.uint8) for path, mask in masks.items()})
    return file
