"""Golden files of MiSS, DeLoRA and HiRA, on checkpoints of the families: adapters saved by PEFT, with logits, gradients, merged weights, the same under
dropout with its masks, and twelve AdamW steps. Run as the others:  python test/golden/packed.py test/golden/rivals/make.py
"""

import shutil
import sys
import warnings
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).parent.parent
TARGET = Path(__file__).parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True
from adapters import gradients, load_adapter, merged, sort_lists, task_model, trained  # noqa: E402
from checkpoints import load, normal, write_json, write_tensors  # noqa: E402
from dropout import ROWS, captured_masks  # noqa: E402
from families import FAMILIES, Family  # noqa: E402
from forward import ROWS_OF, outputs, read_batch, run  # noqa: E402
from peft import DeloraConfig, HiraConfig, MissConfig, PeftModel, get_peft_model  # noqa: E402
from precision import keep_float64  # noqa: E402
from training import DEFAULTS, ILL_CONDITIONED, batches, train, update_error  # noqa: E402

# Widths are 36 and 52 in BERT, so that 5 sums leave 1 and 2 inputs over; layers of both widths have more inputs than outputs, or fewer.
WIDE = {"target_modules": ["query", "intermediate.dense", "output.dense"]}
MISS = {"config": MissConfig, "r": 5}
DELORA = {"config": DeloraConfig, "r": 3, "delora_lambda": 6}
HIRA = {"config": HiraConfig, "r": 3}
RECIPES = {
    "bert": {
        "miss": MISS | WIDE | {"layers_to_transform": [1, 2]},
        "miss-mini": MISS | {"r": 4, "init_weights": "mini", "mini_r": 4, "target_modules": ["value", "intermediate.dense"], "bias": "MiSS_only"},
        "delora": DELORA | WIDE | {"layers_to_transform": [1, 2], "rank_pattern": {"intermediate.dense": 5}},
        "delora-bias-only": DELORA | {"target_modules": ["value", "output.dense"], "bias": "delora_only", "lambda_pattern": {"value": 9}},
        "hira": HIRA | WIDE | {"layers_to_transform": [1, 2], "rank_pattern": {"intermediate.dense": 5}},  # which PEFT does not use
        "hira-embedding": HIRA | {"target_modules": ["word_embeddings", "value"]},
    },
    "gpt2": {"hira": HIRA | {"target_modules": ["query", "intermediate.dense"]}},  # its layers are Conv1D, for which PEFT has none of the others
    "llama": {"lm-miss": MISS | WIDE, "lm-delora": DELORA | WIDE, "lm-hira": HIRA | WIDE},
}
DROPOUT = {"miss": {"r": 4, "miss_dropout": 0.2}, "delora": {"module_dropout": 0.2}, "hira": {"hira_dropout": 0.2}}
CLIPPED = {"maxGradNorm": 0.5, "gradientAccumulation": 2}
RUNS = {"miss": {}, "miss-mini": CLIPPED, "delora": {}, "delora-bias-only": CLIPPED, "hira": {}, "hira-embedding": CLIPPED, "lm-delora": {}}


@torch.no_grad()
def perturb(model: PeftModel) -> None:
    """Simulates training. The lengths that DeLoRA keeps are made others than those of the base's columns."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        noise = normal("adapter." + name, parameter.shape)
        if "delora_lambda" in name:
            parameter.mul_(1 + 0.15 * noise)
        elif "hira_" in name:
            parameter.copy_(0.5 * noise)
        else:
            parameter.add_(0.1 * noise)
    for name, buffer in model.named_buffers():
        if "delora_w_norm" in name:
            buffer.mul_(1 + 0.1 * normal("adapter." + name, buffer.shape))


def write_adapter(family: Family, checkpoint: str, head: str, recipe: dict, folder: Path) -> None:
    base = load(family, ROOT / family.name / checkpoint, head)
    base.name_or_path = ""
    settings = family.recipe({key: value for key, value in recipe.items() if key != "config"})
    model = get_peft_model(base, recipe["config"](task_type={"lm": "CAUSAL_LM"}.get(head, "SEQ_CLS"), **settings))
    perturb(model)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    sort_lists(folder / "adapter_config.json")


def open_adapter(family: Family, checkpoint: str, head: str, folder: Path, dtype: torch.dtype = torch.float32) -> PeftModel:
    return load_adapter(family, ROOT / family.name / checkpoint, head, folder, dtype)


def rounded_logits(family: Family, head: str, folder: Path, batch) -> torch.Tensor:
    """With a base in bfloat16, and an adapter in float32."""
    base = load(family, ROOT / family.name / head, head).to(torch.bfloat16)
    model = PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        return run(model, batch, head).logits.float()


def write_case(family: Family, name: str, recipe: dict) -> dict:
    head = "lm" if name.startswith("lm-") else "single"
    path = TARGET / family.name / name
    write_adapter(family, head, head, recipe, path)
    model = open_adapter(family, head, head, path)
    batch = read_batch(family, ROOT, head, ROWS_OF[head])
    output = run(task_model(model), batch, head)
    output.loss.backward()
    tensors = outputs(batch, output, head) | gradients(model)
    tensors = {key: tensor for key, tensor in tensors.items() if not key.startswith("hidden")}
    has_merged = head == "single" and "bias" not in recipe
    if has_merged:
        plain, weights = merged(model, load(family, ROOT / family.name / head, head))
        with torch.no_grad():
            tensors |= weights | {"merged_logits": run(plain, batch, head).logits}
        assert torch.allclose(tensors["merged_logits"], tensors["logits"], atol=1e-5), name
    if head == "single":
        tensors["bfloat16_logits"] = rounded_logits(family, head, path, batch)
    write_tensors(path.with_suffix(".safetensors"), tensors)
    own = f"../rivals/{family.name}/{name}"
    return {
        "family": family.name, "name": name, "checkpoint": head, "head": head, "merged": has_merged, "adapter": own,
        "batch": f"forward/{head}-{ROWS_OF[head]}.safetensors", "file": f"{own}.safetensors",
    }


def write_dropout(family: Family, name: str, recipe: dict) -> dict:
    path = TARGET / family.name / f"{name}-dropout"
    write_adapter(family, "dropout", "single", recipe, path)
    model = open_adapter(family, "dropout", "single", path)
    batch = read_batch(family, ROOT, "single", "pairs", ROWS)
    with captured_masks(model.train()) as masks:
        output = run(task_model(model), batch, "single")
    output.loss.backward()
    tensors = batch.tensors() | {"logits": output.logits, "loss": output.loss} | gradients(model)
    tensors |= {f"mask.{module}": mask.to(torch.uint8) for module, mask in masks.items()}
    write_tensors(path.with_suffix(".safetensors"), tensors)
    own = f"../rivals/{family.name}/{path.name}"
    return {"family": family.name, "name": path.name, "checkpoint": "dropout", "adapter": own, "file": f"{own}.safetensors"}


def write_training(family: Family, name: str, changes: dict) -> dict:
    settings = DEFAULTS | changes
    head = "lm" if name.startswith("lm-") else "single"
    finals = {}
    for dtype in (torch.float64, torch.float32):
        model = open_adapter(family, head, head, TARGET / family.name / name, dtype)
        start = {key: value.clone() for key, value in trained(model, lambda p: p.detach()).items()}
        log = train(model, batches(family, ROOT, settings["batchSize"], head=head), settings)
        finals[dtype] = trained(model, lambda p: p.detach())
    distance = update_error(start, finals[torch.float32], finals[torch.float64])
    print(f"  {family.name} {name}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}, float64 differs by {distance:.1e}")
    assert distance < ILL_CONDITIONED, name
    own = f"../rivals/{family.name}/{name}"
    write_tensors(TARGET / family.name / f"{name}-steps.safetensors", finals[torch.float32])
    return {
        "family": family.name, "name": f"{name}-steps", "checkpoint": head, "adapter": own, "rows": "train", "file": f"{own}-steps.safetensors",
        "settings": settings, **log, "float64Distance": distance,
    }


def main() -> None:
    torch.set_num_threads(1)
    keep_float64()
    warnings.filterwarnings("ignore")
    transformers.logging.disable_progress_bar()
    manifest = {"adapters": [], "dropout": [], "training": []}
    for family in (family for family in FAMILIES if family.name in RECIPES):
        shutil.rmtree(TARGET / family.name, ignore_errors=True)
        for name, recipe in RECIPES[family.name].items():
            manifest["adapters"].append(write_case(family, name, recipe))
            if name in RUNS and family.name != "gpt2":
                manifest["training"].append(write_training(family, name, RUNS[name]))
        for name, changes in DROPOUT.items() if family.name == "bert" else ():
            manifest["dropout"].append(write_dropout(family, name, RECIPES["bert"][name] | changes))
    write_json(TARGET / "golden.json", manifest)


if __name__ == "__main__":
    main()
