"""Adapters saved by PEFT, with their logits, gradients and merged weights."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from checkpoints import load, normal, write_tensors
from families import Family
from forward import ROWS_OF, outputs, read_batch, run
from peft import AdaLoraConfig, IA3Config, LoraConfig, PeftModel, VeraConfig, get_peft_model
from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
from safetensors.torch import load_file
from torch import nn

QUERY_VALUE = {"r": 3, "lora_alpha": 5, "target_modules": ["query", "value"]}
ALL_LINEAR = {"r": 3, "lora_alpha": 4, "target_modules": "all-linear"}
PATTERNS = {
    "r": 4, "lora_alpha": 6, "target_modules": ["query", "value", "intermediate.dense"], "use_rslora": True,
    "rank_pattern": {"layer.0.attention.self.value": 6, r"layer\.[12]\.attention\.self\.query": 2},
    "alpha_pattern": {"layer.1.intermediate.dense": 9, "layer.0.attention.self.value": 2.5},
}
VERA = {"config": VeraConfig, "r": 8}
ADALORA = {
    "config": AdaLoraConfig, "init_r": 4, "target_r": 2, "lora_alpha": 5, "target_modules": ["query", "intermediate.dense"], "total_step": 12, "tinit": 2, "tfinal": 3,
    "deltaT": 2,
}
IA3 = {"config": IA3Config}
RECIPES = {
    "lora": QUERY_VALUE,
    "rslora-patterns": PATTERNS,
    "lora-all-linear": ALL_LINEAR,
    "lora-regex": {"r": 2, "lora_alpha": 3, "target_modules": r".*layer\.[02]\.(attention\.self\.value|output\.dense)", "exclude_modules": ["layer.2.output.dense"]},
    "lora-layers": QUERY_VALUE | {"layers_to_transform": [0, 2], "layers_pattern": "layer"},
    "lora-bias-only": QUERY_VALUE | {"bias": "lora_only"},
    "lora-bias-all": QUERY_VALUE | {"bias": "all"},
    "lora-b-bias": QUERY_VALUE | {"lora_bias": True},
    "lora-embedding": {"r": 3, "lora_alpha": 5, "target_modules": ["word_embeddings", "query", "intermediate.dense"]},
    "dora": QUERY_VALUE | {"use_dora": True},
    "dora-wide": {"r": 3, "lora_alpha": 5, "target_modules": ["query", "value", "intermediate.dense"], "use_dora": True},
    "dora-all-linear": ALL_LINEAR | {"use_dora": True},
    "dora-embedding": {"r": 3, "lora_alpha": 5, "target_modules": ["word_embeddings", "value"], "use_dora": True},
    "vera": VERA | {"target_modules": ["query", "value"]},
    "vera-bias-only": VERA | {"target_modules": ["query", "output.dense"], "bias": "vera_only", "layers_to_transform": [1]},
    "vera-all-linear": VERA | {"r": 5, "target_modules": "all-linear", "d_initial": 0.3, "projection_prng_key": 7},
    "adalora": ADALORA,
    "adalora-bias-only": ADALORA | {"bias": "lora_only", "deltaT": 1, "orth_reg_weight": 0.1},
    "adalora-masked": ADALORA | {"masked": True},
    "ia3": IA3,  # PEFT's default layers
    "ia3-all-linear": IA3 | {"target_modules": "all-linear", "feedforward_modules": ".*intermediate.dense"},
}
LANGUAGE_RECIPES = {  # for language models only: both sides of tied weights, and fully trained layers
    "lora-tables": {"r": 3, "lora_alpha": 5, "target_modules": ["word_embeddings", "lm_head", "query"]},
    "dora-tables": {"r": 3, "lora_alpha": 5, "target_modules": ["word_embeddings", "lm_head", "value"], "use_dora": True},
    "lora-saved": {"r": 2, "lora_alpha": 3, "target_modules": ["query"], "modules_to_save": ["value"]},
    "lora-all-linear": ALL_LINEAR,
    "ia3": IA3,
}
EVERY_HEAD = ("lora", "rslora-patterns", "dora")
MAIN = (*EVERY_HEAD, "lora-bias-only", "dora-wide", "dora-all-linear", "vera", "vera-all-linear", "adalora", "ia3")  # for families of depth 2
MERGED = ("lora", "lora-bias-only", "lora-b-bias", "lora-embedding", "dora-wide", "dora-embedding", "vera-bias-only", "adalora-bias-only", "adalora-masked", "ia3", "ia3-all-linear")
OWN_KEYS = ("config", "masked")  # keys of a recipe that are not keys of its configuration


@torch.no_grad()
def perturb(model: nn.Module) -> None:
    """Simulates training: makes B (in VeRA, its vector) nonzero, and changes magnitudes, head and biases."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        noise = normal("adapter." + name, parameter.shape)
        if "magnitude" in name:
            parameter.mul_(1 + 0.15 * noise)
        elif "lora_" in name:
            parameter.copy_(0.12 * noise)
        else:
            parameter.add_(0.1 * noise)


def write_adapter(family: Family, checkpoint: Path, head: str, recipe: dict, folder: Path) -> None:
    base = load(family, checkpoint, head)
    base.name_or_path = ""
    kind = {"tokens": "TOKEN_CLS", "lm": "CAUSAL_LM"}.get(head, "SEQ_CLS")
    settings = family.recipe({key: value for key, value in recipe.items() if key not in OWN_KEYS})
    model = get_peft_model(base, recipe.get("config", LoraConfig)(task_type=kind, **settings))
    perturb(model)
    if recipe.get("masked"):
        mask_ranks(model)
    name_tables = head == "lm" and "lm_head" in settings.get("target_modules", ())
    model.save_pretrained(folder, save_embedding_layers=name_tables and "auto")
    (folder / "README.md").unlink()  # an empty model card
    sort_lists(folder / "adapter_config.json")


@torch.no_grad()
def mask_ranks(model: PeftModel) -> None:
    """Simulates AdaLoRA's allocation: the first layer keeps no rank, the second all ranks, the others some."""
    patterns = {}
    for i, (name, e) in enumerate((name, p) for name, p in model.base_model.model.named_parameters() if "lora_E" in name):
        kept = [i == 1 or i > 1 and (i + 3 * rank) % 4 < 2 for rank in range(len(e))]
        e[~torch.tensor(kept)] = 0
        patterns[name] = kept
    model.peft_config["default"].rank_pattern = patterns


def sort_lists(file: Path) -> None:
    """Sorts lists, since PEFT writes sets in an order that changes from run to run."""
    config = json.loads(file.read_text())
    for key in ("target_modules", "exclude_modules", "feedforward_modules", "modules_to_save"):
        if isinstance(config.get(key), list):
            config[key].sort()
    file.write_text(json.dumps(config, indent=2, sort_keys=True))


def load_adapter(family: Family, checkpoint: Path, head: str, folder: Path, dtype: torch.dtype = torch.float32) -> PeftModel:
    model = PeftModel.from_pretrained(load(family, checkpoint, head).to(dtype), folder, is_trainable=True).to(dtype).eval()
    for name, parameter in model.named_parameters():
        if "ranknum" in name:  # a constant that PEFT marks as trainable for a float64 base
            parameter.requires_grad_(False)
    return model


def task_model(model: PeftModel) -> nn.Module:
    """The same model with only the task's loss, to which AdaLoRA adds a penalty."""
    return model.base_model.model


def saved_name(name: str) -> str:
    """A parameter's name in adapter_model.safetensors."""
    name = name.replace(".modules_to_save.default", "").replace(".default", "")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def trained(model: PeftModel, value: Callable[[nn.Parameter], torch.Tensor]) -> dict[str, torch.Tensor]:
    """Maps each trained parameter's name in adapter_model.safetensors to `value` of the parameter."""
    return {saved_name(name): value(p) for name, p in model.named_parameters() if p.requires_grad}


def gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    """Gradients; zeros for parameters that the loss does not depend on, such as those in ESM's contact head."""
    return {f"grad.{name}": grad for name, grad in trained(model, lambda p: p.new_zeros(p.shape) if p.grad is None else p.grad).items()}


def merged(model: PeftModel, base: nn.Module) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """The merged model, and the weights that merging changed."""
    model = model.merge_and_unload()
    before = base.state_dict()
    return model, {f"merged.{name}": w for name, w in model.state_dict().items() if not torch.equal(w, before[name])}


def write_adapters(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes adapters/*/ and adapters/*.safetensors; returns the manifest's entries."""
    entries = []
    for head in family.heads:
        if family.is_decoder and head == "tokens":
            continue
        for name, recipe in RECIPES.items():
            if not is_made(family, name, recipe):
                continue
            is_asked_for = family.depth >= 3 or family.recipes and not family.is_decoder
            if name in EVERY_HEAD or head == "single" and (name in MAIN or is_asked_for):
                entries.append(write_case(family, root, target, head, name, recipe))
        for name, recipe in LANGUAGE_RECIPES.items() if head == "lm" else ():
            if not is_made(family, name, recipe):
                continue
            entries.append(write_case(family, root, target, head, name, recipe))
    return entries


def is_made(family: Family, name: str, recipe: dict) -> bool:
    """Whether the family gets the recipe: PEFT has default layers of (IA)3 for some families only."""
    has_layers = recipe is not IA3 or family.name in TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING
    return has_layers and (not family.recipes or name in family.recipes)


def method_of(recipe: dict) -> str:
    if recipe.get("config") in (AdaLoraConfig, IA3Config):
        return "adalora" if recipe["config"] is AdaLoraConfig else "ia3"
    return "vera" if recipe.get("config") is VeraConfig else "dora" if recipe.get("use_dora") else "lora"


def write_case(family: Family, root: Path, target: Path, head: str, name: str, recipe: dict) -> dict:
    folder = name if head == "single" else f"{head}-{name}"
    path = target / "adapters" / folder
    write_adapter(family, target / head, head, recipe, path)
    model = load_adapter(family, target / head, head, path)
    task = task_model(model)
    assert trained(model, lambda p: p).keys() <= load_file(path / "adapter_model.safetensors").keys()
    batch = read_batch(family, root, head, ROWS_OF[head])
    output = run(task, batch, head)
    output.loss.backward()
    tensors = outputs(batch, output, head) | gradients(model)
    last = len(output.hidden_states) - 1 if name in EVERY_HEAD else -1
    tensors = {key: t for key, t in tensors.items() if not key.startswith("hidden") or key == f"hidden.{last}"}
    # PEFT can't merge (IA)3 beside a saved head that is several layers.
    has_merged = head == "single" and name in MERGED and not (recipe.get("config") is IA3Config and family.name == "roberta")
    if has_merged:
        plain, weights = merged(model, load(family, target / head, head))
        with torch.no_grad():
            tensors |= weights | {"merged_logits": run(plain, batch, head).logits}
        assert torch.allclose(tensors["merged_logits"], tensors["logits"], atol=1e-5)
    write_tensors(path.with_suffix(".safetensors"), tensors)
    return {
        "name": folder, "method": method_of(recipe), "checkpoint": head, "head": head, "merged": has_merged,
        "adapter": f"adapters/{folder}", "batch": f"forward/{head}-{ROWS_OF[head]}.safetensors", "file": f"adapters/{folder}.safetensors",
    }
