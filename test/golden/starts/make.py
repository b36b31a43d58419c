"""Golden files of starts: what PEFT computes and saves with them, and what training makes of it.

Run as the others:  /work/venv/bin/python test/golden/packed.py test/golden/starts/make.py
"""

import json
import shutil
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from adapters import saved_name, sort_lists, trained  # noqa: E402
from checkpoints import load, write_tensors  # noqa: E402
from families import FAMILIES, Family  # noqa: E402
from forward import read_batch, run  # noqa: E402
from peft import LoraConfig, PeftModel, get_eva_state_dict, get_peft_model, initialize_lora_eva_weights  # noqa: E402
from peft.tuners.lora.config import LoraGAConfig  # noqa: E402
from peft.tuners.lora.loraga import preprocess_loraga  # noqa: E402
from peft.optimizers import create_loraplus_optimizer  # noqa: E402
from training import DEFAULTS, batches, factor, train  # noqa: E402

TARGET = Path(__file__).parent
STEPS = 6
SETTINGS = DEFAULTS | {"maxSteps": STEPS, "warmupRatio": 0.0}
BERT = {"target_modules": ["query", "intermediate.dense", "output.dense"], "layers_to_transform": [1]}
GPT2 = {"target_modules": ["c_attn", "mlp.c_fc", "mlp.c_proj"]}
CASES = {
    "pissa": ("bert", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5} | BERT),
    "pissa-dora": ("bert", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5, "use_dora": True} | BERT),
    "pissa-rslora": ("bert", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5, "use_rslora": True} | BERT),
    "pissa-patterns": ("bert", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5, "rank_pattern": {"query": 2}, "alpha_pattern": {"query": 7}} | BERT),
    "pissa-conv1d": ("gpt2", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5} | GPT2),
    "pissa-conv1d-dora": ("gpt2", {"init_lora_weights": "pissa", "r": 3, "lora_alpha": 5, "use_dora": True} | GPT2),
    "olora": ("bert", {"init_lora_weights": "olora", "r": 3, "lora_alpha": 5} | BERT),
    "olora-dora": ("bert", {"init_lora_weights": "olora", "r": 3, "lora_alpha": 2, "use_dora": True} | BERT),
    "olora-rslora": ("bert", {"init_lora_weights": "olora", "r": 3, "lora_alpha": 5, "use_rslora": True} | BERT),
}


def family_of(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)


def checkpoint(family: Family) -> torch.nn.Module:
    base = load(family, ROOT / family.name / "single", "single")
    base.name_or_path = ""
    return base


def residuals(model: PeftModel) -> dict[str, torch.Tensor]:
    """The weights that the start has left of two layers, [out, in] for GPT-2's Conv1D too."""
    layers = {name.removeprefix("base_model.model."): m for name, m in model.named_modules() if hasattr(m, "lora_A") and hasattr(m, "base_layer")}
    turned = {name: getattr(m, "fan_in_fan_out", False) for name, m in layers.items()}
    return {f"residual.{name}": (m.base_layer.weight.T if turned[name] else m.base_layer.weight).detach().clone() for name, m in list(layers.items())[:2]}


def write_folder(model: PeftModel, folder: Path, **options) -> None:
    model.save_pretrained(folder, **options)
    (folder / "README.md").unlink(missing_ok=True)
    sort_lists(folder / "adapter_config.json")


def write_case(name: str, family_name: str, settings: dict) -> dict:
    family = family_of(family_name)
    torch.manual_seed(0)
    model = get_peft_model(checkpoint(family), LoraConfig(task_type="SEQ_CLS", **settings)).eval()
    start = {f"start.{key}": value.clone() for key, value in trained(model, lambda p: p.detach()).items()}
    initial = TARGET / "initial"
    converts = not settings.get("use_dora") and not (settings.get("use_rslora") and settings.get("rank_pattern"))
    if converts:
        write_folder(model, initial)
    tensors = start | residuals(model)
    log = train(model, batches(family, ROOT, SETTINGS["batchSize"]), SETTINGS)
    folder = TARGET / name
    write_folder(model, folder)
    if converts:
        write_folder(model, TARGET / f"{name}-converted", path_initial_model_for_weight_conversion=str(initial))
        shutil.rmtree(initial)
    with torch.no_grad():
        tensors["logits"] = run(model, read_batch(family, ROOT, "single", "texts"), "single").logits
        path = next(iter(residuals(model))).removeprefix("residual.")
        plain = model.merge_and_unload()
        weight = plain.get_parameter(f"{path}.weight").detach()
        tensors[f"merged.{path}"] = weight.T if family_name == "gpt2" else weight
    write_tensors(TARGET / f"{name}.safetensors", {key: value.contiguous() for key, value in tensors.items()})
    print(f"  {name}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}")
    return {"name": name, "family": family_name, "checkpoint": "single", "rows": "train", "settings": SETTINGS, "converted": converts, "losses": log["losses"]}


INIT_BATCHES = 2
OF_ROWS = {
    "eva": ("bert", {"init_lora_weights": "eva", "r": 3, "lora_alpha": 5} | BERT),
    "eva-dora-rslora": ("bert", {"init_lora_weights": "eva", "r": 2, "lora_alpha": 5, "use_dora": True, "use_rslora": True, "rank_pattern": {"query": 3}} | BERT),
    "eva-conv1d": ("gpt2", {"init_lora_weights": "eva", "r": 2, "lora_alpha": 5} | GPT2),
    "lora-ga": ("bert", {"init_lora_weights": "lora_ga", "r": 3, "lora_alpha": 5} | BERT),
    "lora-ga-rslora": ("bert", {"init_lora_weights": "lora_ga", "r": 3, "lora_alpha": 5, "use_rslora": True} | BERT),
}


def first_batches(family: Family) -> list:
    stream = batches(family, ROOT, SETTINGS["batchSize"])
    return [next(stream) for _ in range(INIT_BATCHES)]


def principal_components(model: PeftModel, family: Family) -> dict[str, torch.Tensor]:
    """EVA's state by exact principal components of the inputs of real tokens. PEFT's own, by incremental randomized SVDs, is printed beside it."""
    layers = {name: m for name, m in model.named_modules() if hasattr(m, "lora_A") and hasattr(m, "base_layer")}
    seen, mask = {name: [] for name in layers}, []

    def watch(name):
        return lambda module, args, output: seen[name].append(args[0][mask[-1]].double())

    handles = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    with torch.no_grad(), model.disable_adapter():
        for batch in first_batches(family):
            mask.append(batch.inputs["attention_mask"].bool())
            run(model, batch, "single")
    for handle in handles:
        handle.remove()
    found, shares = {}, []
    for name, layer in layers.items():
        x = torch.cat(seen[name])
        _, s, vt = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
        most = 2 * layer.r["default"]
        found[name] = vt[:most] * torch.sign(vt[:most].gather(1, vt[:most].abs().argmax(dim=1, keepdim=True)))
        shares += [(share.item(), name) for share in (s**2 / (s**2).sum())[:most]]
    budget = sum(layer.r["default"] for layer in layers.values())
    chosen = [name for _, name in sorted(shares, key=lambda pair: -pair[0])[:budget]]
    exact = {name: vt[: chosen.count(name)].float() for name, vt in found.items()}
    theirs = get_eva_state_dict(model, [b.inputs for b in first_batches(family)], show_progress_bar=False)
    for name, rows in exact.items():
        own = theirs[name]
        print(f"    {name}: rank {len(rows)}, in PEFT {len(own)}; cosines {[round(abs(float(a @ b.float())), 3) for a, b in zip(rows, own, strict=False)]}")
    return exact


def exact_svd(matrix: torch.Tensor, q: int, niter: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    u, s, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    return u[:, :q].float(), s[:q].float(), vt[:q].T.float()


def started_by_rows(family: Family, settings: dict) -> PeftModel:
    torch.manual_seed(0)
    if settings["init_lora_weights"] == "eva":
        model = get_peft_model(checkpoint(family), LoraConfig(task_type="SEQ_CLS", **settings)).eval()
        initialize_lora_eva_weights(model, eva_state_dict=principal_components(model, family), show_progress_bar=False)
        return model
    base = checkpoint(family)
    config = LoraConfig(task_type="SEQ_CLS", lora_ga_config=LoraGAConfig(), **settings)
    preprocess_loraga(base, config, lambda: [run(base, batch, "single").loss.backward() for batch in first_batches(family)])
    usual, torch.svd_lowrank = torch.svd_lowrank, exact_svd
    try:
        return get_peft_model(base, config).eval()
    finally:
        torch.svd_lowrank = usual


def write_of_rows(name: str, family_name: str, settings: dict) -> dict:
    family = family_of(family_name)
    model = started_by_rows(family, settings)
    start = {f"start.{key}": value.clone() for key, value in trained(model, lambda p: p.detach()).items()}
    converts = settings["init_lora_weights"] == "lora_ga"
    initial = TARGET / "initial"
    if converts:
        write_folder(model, initial)
    log = train(model, batches(family, ROOT, SETTINGS["batchSize"]), SETTINGS)
    tensors = start | {f"end.{key}": value.clone() for key, value in trained(model, lambda p: p.detach()).items()}
    write_folder(model, TARGET / name, **({"path_initial_model_for_weight_conversion": str(initial)} if converts else {}))
    if converts:
        shutil.rmtree(initial)
    write_tensors(TARGET / f"{name}.safetensors", {key: value.contiguous() for key, value in tensors.items()})
    print(f"  {name}: loss {log['losses'][0]:.4f} -> {log['losses'][-1]:.4f}")
    targets = settings["target_modules"]
    own = {"rank": settings["r"], "alpha": settings["lora_alpha"], "rslora": settings.get("use_rslora", False), "rankPattern": settings.get("rank_pattern", {}), "targetModules": targets}
    return {
        "name": name, "family": family_name, "checkpoint": "single", "rows": "train", "initBatches": INIT_BATCHES, "method": "dora" if settings.get("use_dora") else "lora",
        "adapter": own | {"layersToTransform": settings.get("layers_to_transform")}, "settings": SETTINGS, "losses": log["losses"],
    }


RATIO = 4.0
RATES = {"loraplus": {}, "loraplus-dora": {"use_dora": True}}


def write_rates(name: str, more: dict) -> dict:
    """Training with the groups of PEFT's LoRA+. It gives a head's bias the rate of B; here all of the head has the plain rate."""
    family = family_of("bert")
    torch.manual_seed(0)
    model = get_peft_model(checkpoint(family), LoraConfig(task_type="SEQ_CLS", r=3, lora_alpha=5, **more, **BERT)).eval()
    folder = TARGET / f"{name}-start"
    write_folder(model, folder)
    rate, decay = SETTINGS["learningRate"], SETTINGS["weightDecay"]
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=RATIO, loraplus_weight_decay=decay)
    (bias,) = [p for key, p in model.named_parameters() if p.requires_grad and key.endswith("classifier.modules_to_save.default.bias")]
    for group in optimizer.param_groups:
        group["params"] = [p for p in group["params"] if p is not bias]
    optimizer.add_param_group({"params": [bias], "weight_decay": 0.0, "lr": rate})
    groups = [dict(group) for group in optimizer.param_groups]
    losses, stream = [], batches(family, ROOT, SETTINGS["batchSize"])
    for step in range(STEPS):
        for group, own in zip(optimizer.param_groups, groups, strict=True):
            group["lr"] = own["lr"] * factor(step, STEPS, SETTINGS["warmupRatio"], SETTINGS["schedule"])
        loss = run(model, next(stream), "single").loss
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    write_tensors(TARGET / f"{name}.safetensors", {key: value.contiguous() for key, value in trained(model, lambda p: p.detach()).items()})
    print(f"  {name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")
    return {"name": name, "family": "bert", "checkpoint": "single", "rows": "train", "settings": SETTINGS | {"loraplusRatio": RATIO}, "losses": losses}


def write_orthogonal() -> None:
    """A and B of the start `orthogonal` with the random numbers of a seed."""
    family = family_of("bert")
    model = get_peft_model(checkpoint(family), LoraConfig(task_type="SEQ_CLS", init_lora_weights="orthogonal", r=4, **BERT))
    layer = model.get_submodule("base_model.model.bert.encoder.layer.1.intermediate.dense")
    torch.manual_seed(5)
    layer.orthogonal_init("default")
    tensors = {"a": layer.lora_A["default"].weight.detach(), "b": layer.lora_B["default"].weight.detach()}
    write_tensors(TARGET / "orthogonal.safetensors", {key: value.contiguous().clone() for key, value in tensors.items()})


def main() -> None:
    cases = [write_case(name, *case) for name, case in CASES.items()]
    write_orthogonal()
    of_rows = [write_of_rows(name, *case) for name, case in OF_ROWS.items()]
    rates = [write_rates(name, more) for name, more in RATES.items()]
    (TARGET / "golden.json").write_text(json.dumps({"cases": cases, "rates": rates, "ofRows": of_rows}, indent=1) + "\n")


main()
