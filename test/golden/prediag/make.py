"""Golden files of Pre-Diag, written from its formula: adapters in bidora's own files, their logits, gradients and merged weights, and AdamW steps.

    W' = diag(d)·W0 + s·B·A        (arXiv 2511.00051), with the whole matrix in each pass

Run as the others:  python test/golden/packed.py test/golden/prediag/make.py
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from checkpoints import load, normal, write_json, write_tensors  # noqa: E402
from families import FAMILIES  # noqa: E402
from forward import ROWS_OF, read_batch, run  # noqa: E402
from torch import nn  # noqa: E402
from training import DEFAULTS, batches, train, update_error  # noqa: E402

TARGET = Path(__file__).parent
PREFIX = "base_model.model."
HEADS = ("classifier", "score")
# name: family, rank, alpha, whether the scale is alpha/√rank, target modules, settings of the run
CASES = {
    "prediag": ("bert", 3, 5, False, ["query", "value"], {}),
    "prediag-wide": ("bert", 4, 6, True, ["intermediate.dense", "output.dense"], {"maxGradNorm": 0.5, "gradientAccumulation": 2, "weightDecay": 0.1}),
    "prediag-embedding": ("bert", 3, 5, False, ["word_embeddings", "key"], {"schedule": "cosine"}),
    "prediag-conv1d": ("gpt2", 3, 5, False, ["c_attn", "mlp.c_fc"], {}),
}


def weight_of(layer: nn.Module) -> torch.Tensor:
    """W', shaped as the layer's weight: [out, in], for Conv1D [in, out], for an embedding [vocab, dim]."""
    if isinstance(layer, nn.Embedding):
        return layer.weight * layer.prediag_diagonal + layer.scale * (layer.lora_embedding_B @ layer.lora_embedding_A).T
    product = layer.scale * layer.lora_B.weight @ layer.lora_A.weight
    if isinstance(layer, nn.Linear):
        return layer.prediag_diagonal[:, None] * layer.weight + product
    return layer.weight * layer.prediag_diagonal + product.T


def forward_of(layer: nn.Module) -> Callable:
    if isinstance(layer, nn.Embedding):
        return lambda ids: nn.functional.embedding(ids, weight_of(layer), layer.padding_idx)
    if isinstance(layer, nn.Linear):
        return lambda x: nn.functional.linear(x, weight_of(layer), layer.bias)
    return lambda x: x @ weight_of(layer) + layer.bias


def adapt(name: str, layer: nn.Module, rank: int) -> None:
    """Gives a layer random factors, as after training."""
    drawn = lambda key, *shape: 0.12 * normal(f"{name}.{key}", shape)
    size_in, size_out = layer.weight.shape if not isinstance(layer, nn.Linear) else layer.weight.shape[::-1]
    layer.prediag_diagonal = nn.Parameter(1 + drawn("prediag_diagonal", size_out))
    if isinstance(layer, nn.Embedding):
        layer.lora_embedding_A, layer.lora_embedding_B = nn.Parameter(drawn("A", rank, size_in)), nn.Parameter(drawn("B", size_out, rank))
    else:
        layer.lora_A, layer.lora_B = nn.Linear(size_in, rank, bias=False), nn.Linear(rank, size_out, bias=False)
        layer.lora_A.weight.data, layer.lora_B.weight.data = drawn("A", rank, size_in), drawn("B", size_out, rank)
    layer.forward = forward_of(layer)


def open_model(case: tuple, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, dict[str, nn.Module]]:
    family, rank, alpha, is_rslora, targets, _ = case
    model = load(family_of(family), ROOT / family / "single", "single").requires_grad_(False)
    layers = {name: m for name, m in model.named_modules() if any(name.endswith("." + target) for target in targets) and hasattr(m, "weight")}
    for name, layer in layers.items():
        layer.scale = alpha / (rank**0.5 if is_rslora else rank)
        adapt(name, layer, rank)
    for name, module in model.named_modules():
        if name in HEADS:
            module.requires_grad_(True)
    return model.to(dtype).eval(), layers


family_of = lambda name: next(family for family in FAMILIES if family.name == name)


def trained(model: nn.Module, value: Callable = lambda p: p.detach().clone()) -> dict[str, torch.Tensor]:
    return {PREFIX + name: value(p) for name, p in model.named_parameters() if p.requires_grad}


def write_adapter(folder: Path, model: nn.Module, case: tuple) -> None:
    family, rank, alpha, is_rslora, targets, _ = case
    write_tensors(folder / "bidora_adapter.safetensors", trained(model))
    head = next(name for name, _ in model.named_modules() if name in HEADS)
    keys = {"peft_type": "PREDIAG", "task_type": "SEQ_CLS", "r": rank, "lora_alpha": alpha, "use_rslora": is_rslora, "target_modules": targets, "modules_to_save": [head]}
    facts = {"formatVersion": 1, "method": "prediag", "adapterConfig": keys | {"fan_in_fan_out": family == "gpt2"}}
    (folder / "bidora.json").write_text(json.dumps(facts, indent=2) + "\n")


def write_case(name: str, case: tuple) -> tuple[dict, dict]:
    family, model_rows = case[0], ROWS_OF["single"]
    model, layers = open_model(case)
    write_adapter(TARGET / "adapters" / name, model, case)
    batch = read_batch(family_of(family), ROOT, "single", model_rows)
    output = run(model, batch, "single")
    output.loss.backward()
    tensors = {"logits": output.logits, "loss": output.loss, "merged_logits": output.logits}
    tensors |= {f"grad.{key}": grad for key, grad in trained(model, lambda p: p.grad).items()}
    tensors |= {f"merged.{path}.weight": weight_of(layer) for path, layer in layers.items()}
    tensors |= {f"merged.{key}": p for key, p in model.named_parameters() if key.split(".")[0] in HEADS}
    at = {"family": family, "checkpoint": "single", "adapter": f"../prediag/adapters/{name}"}
    write_tensors(TARGET / "adapters" / f"{name}.safetensors", {key: t.detach().contiguous() for key, t in tensors.items()})
    outputs = at | {"name": name, "method": "prediag", "head": "single", "merged": True, "batch": f"forward/single-{model_rows}.safetensors"}
    return outputs | {"file": f"../prediag/adapters/{name}.safetensors"}, at | write_run(name, case)


def write_run(name: str, case: tuple) -> dict:
    settings, ends = DEFAULTS | case[-1], {}
    for dtype in (torch.float64, torch.float32):
        model, _ = open_model(case, dtype)
        start = trained(model)
        log = train(model, batches(family_of(case[0]), ROOT, settings["batchSize"]), settings)
        ends[dtype] = trained(model)
    distance = update_error(start, ends[torch.float32], ends[torch.float64])
    print(f"  {name}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}, float64 differs by {distance:.1e}")
    write_tensors(TARGET / "training" / f"{name}.safetensors", ends[torch.float32])
    return {"name": name, "rows": "train", "file": f"../prediag/training/{name}.safetensors", "settings": settings, **log, "float64Distance": distance}


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    outputs, runs = zip(*(write_case(name, case) for name, case in CASES.items()))
    write_json(TARGET / "golden.json", {"family": "bert", "adapters": list(outputs), "training": list(runs)})


if __name__ == "__main__":
    main()
