"""Golden files of `--upper scales`: search and retraining with a factor c of each low-rank update, and an adapter with such alphas in PEFT.

Run as the others:  python test/golden/packed.py test/golden/scales/make.py
"""

import dataclasses
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from adapters import load_adapter, trained  # noqa: E402
from bidora import named, rounded, settings  # noqa: E402
from bidora_reference import PREFIX, AdamW, Moments, Problem, Run, Tensors, adamw_step, clipped, factor, hypergradient, lower_step, norm  # noqa: E402
from checkpoints import load, write_tensors  # noqa: E402
from families import FAMILIES  # noqa: E402
from texts import Batch, encode, load_tokenizer  # noqa: E402

FAMILY = next(family for family in FAMILIES if family.name == "bert")
TARGET = ROOT / "bert"
LOWER_ROWS, ALL_ROWS, ROWS = 17, 22, "train"
ESTIMATORS = ("exact", "neumann", "cg", "first-order", "finite-difference", "forward-difference")


class ScaledProblem(Problem):
    """V = W0 + c·s·B·A with a factor c of each adapted weight, which are the upper level; W' is V (LoRA) or m·V/‖V‖ (DoRA). No regularizer."""

    def scaled(self, path: str, directions: Tensors, factors: Tensors) -> torch.Tensor:
        weight = self.model.get_parameter(f"{path}.weight").detach()
        base = weight.T if self.is_turned(path) else weight
        return base + factors[f"{PREFIX}{path}.scale_factor"] * (self.raw(path, directions) - base)

    def weight(self, path: str, directions: Tensors, magnitudes: Tensors, norms_at: Tensors) -> torch.Tensor:
        v = self.scaled(path, directions, magnitudes)
        magnitude = directions.get(f"{PREFIX}{path}.lora_magnitude_vector")
        if magnitude is not None:
            size = self.scaled(path, directions if self.norm_gradient == "full" else norms_at, magnitudes).norm(dim=1)
            v = (magnitude / (size if self.norm_gradient == "full" else size.detach())).unsqueeze(1) * v
        return v.T if self.is_turned(path) else v

    def regularizer(self, directions: Tensors) -> torch.Tensor:
        return torch.zeros((), dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    adapter: str
    run: Run
    norm_gradient: str = "detached"
    unroll: int = 1
    accumulation: int = 1


SHORT = Run("exact", search_steps=3, retrain_steps=2, rate=5e-3, upper_rate=0.2, retrain_rate=5e-3, warmup_ratio=0.0)
UPPER_DECAY = dataclasses.replace(SHORT, upper=AdamW(weight_decay=0.3), xi="learning-rate", warmup_ratio=0.2)


def with_estimator(estimator: str, xi: float | str) -> Run:
    return dataclasses.replace(SHORT, estimator=estimator, xi=xi)


CASES = {
    **{f"{adapter}-{estimator}": Case(adapter, with_estimator(estimator, 1.0)) for adapter in ("lora", "dora-wide") for estimator in ESTIMATORS},
    **{f"{adapter}-exact-optimizer": Case(adapter, with_estimator("exact", "optimizer")) for adapter in ("lora", "dora-wide")},
    "lora-embedding": Case("lora-embedding", UPPER_DECAY),
    "rslora-patterns": Case("rslora-patterns", UPPER_DECAY),
    "dora-full": Case("dora-wide", SHORT, "full"),
    "dora-full-finite-difference": Case("dora-wide", with_estimator("finite-difference", 1.0), "full"),
    "dora-embedding": Case("dora-embedding", SHORT),
    "lora-clipped": Case("lora", dataclasses.replace(SHORT, max_grad_norm=0.05)),
    "lora-unrolled-accumulated": Case("lora", dataclasses.replace(SHORT, xi="optimizer"), unroll=2, accumulation=2),
    "dora-unrolled-accumulated": Case("dora-wide", dataclasses.replace(SHORT, estimator="neumann"), unroll=2, accumulation=2),
}


def steps(first: int, last: int, size: int, count: int) -> Iterator[Batch]:
    """Rows `first` to `last` in order, repeatedly, in batches of `size`, of which a step takes `count` as one."""
    lines = (ROOT / "rows" / f"{ROWS}.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines][first:last]
    tokenizer = load_tokenizer(FAMILY, False)
    at = 0
    while True:
        taken = []
        for _ in range(count):
            taken += rows[at : at + size]
            at = at + size if at + size < len(rows) else 0
        yield encode(tokenizer, taken, "single")


def open_problem(case: Case) -> tuple[ScaledProblem, Tensors, Tensors]:
    model = load_adapter(FAMILY, TARGET / "single", "single", TARGET / "adapters" / case.adapter)
    scales = {name.removeprefix(PREFIX): m.scaling["default"] for name, m in model.named_modules() if hasattr(m, "lora_A")}
    directions = trained(model, lambda p: p.detach().to(torch.float64))
    factors = {f"{PREFIX}{path}.scale_factor": torch.ones((), dtype=torch.float64) for path in scales}
    base = load(FAMILY, TARGET / "single", "single").to(torch.float64).requires_grad_(False)
    return ScaledProblem(base, scales, "out", case.norm_gradient, 0.0), directions, factors


def by_path(factors: Tensors) -> dict[str, float]:
    return {name.removeprefix(PREFIX).removesuffix(".scale_factor"): value.item() for name, value in factors.items()}


def search(case: Case, problem: ScaledProblem, directions: Tensors, factors: Tensors, size: int) -> tuple[Tensors, Tensors, list[dict]]:
    run, log = case.run, []
    lower, upper = steps(0, LOWER_ROWS, size, case.accumulation), steps(LOWER_ROWS, ALL_ROWS, size, case.accumulation)
    lower_state, upper_state = Moments.zeros(directions), Moments.zeros(factors)
    for t in range(run.search_steps):
        for k in range(case.unroll):
            rate = run.rate * factor(t * case.unroll + k, run.search_steps * case.unroll, run.warmup_ratio)
            step, _ = lower_step(problem, directions, factors, lower_state, next(lower), rate, run.lower, run.max_grad_norm)
            directions, lower_state = step.after, step.moments
        g, _, _, upper_loss = hypergradient(problem, step, next(upper), run.estimator, run.xi, run.lower)
        rate = run.upper_rate * factor(t, run.search_steps, run.warmup_ratio)
        factors, upper_state = adamw_step(factors, clipped(g, run.max_grad_norm)[0], upper_state, rate, run.upper)
        log.append({"upperLoss": upper_loss.item(), "hypergradientNorm": norm(g).item(), "hypergradient": by_path(g), "upper": by_path(factors)})
    return directions, factors, log


def retrain(case: Case, problem: ScaledProblem, directions: Tensors, factors: Tensors, size: int) -> tuple[Tensors, list[float]]:
    run, rows, state, losses = case.run, steps(0, ALL_ROWS, size, case.accumulation), Moments.zeros(directions), []
    for t in range(run.retrain_steps):
        rate = run.retrain_rate * factor(t, run.retrain_steps, run.warmup_ratio)
        step, loss = lower_step(problem, directions, factors, state, next(rows), rate, run.lower, run.max_grad_norm)
        directions, state = step.after, step.moments
        losses.append(loss)
    return directions, losses


def write_case(target: Path, name: str, case: Case) -> dict:
    size = 4 // case.accumulation
    problem, start, ones = open_problem(case)
    found, factors, log = search(case, problem, start, ones, size)
    final, losses = retrain(case, problem, start, factors, size)
    file = f"{name}.safetensors"
    write_tensors(target / file, rounded(named("search", found) | named("final", final)))
    print(f"  {name}: c from {min(by_path(factors).values()):.3f} to {max(by_path(factors).values()):.3f}")
    asked = settings(case.run) | {"batchSize": size, "gradientAccumulation": case.accumulation, "unrollSteps": case.unroll}
    return {
        "name": name, "checkpoint": "single", "adapter": f"adapters/{case.adapter}", "rows": ROWS, "file": file, "normGradient": case.norm_gradient,
        "settings": {key: value for key, value in asked.items() if key != "regularizer"}, "log": {"search": log, "retrain": losses},
    }


def write_adapters(target: Path) -> list[dict]:
    """Adapters whose alphas are any numbers, negative ones and 0 included, by the whole paths of their modules; their logits in PEFT."""
    entries = []
    for name in ("rslora-patterns", "dora-wide", "lora-b-bias"):
        source, folder = TARGET / "adapters" / name, target / name
        config = json.loads((source / "adapter_config.json").read_text())
        modules = [n.removeprefix(PREFIX) for n, m in load_adapter(FAMILY, TARGET / "single", "single", source).named_modules() if hasattr(m, "lora_A")]
        config["alpha_pattern"] = {path: (-2.75, 0.0, 1.3000000715255737, 21.5)[i % 4] for i, path in enumerate(modules)}
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
        (folder / "adapter_model.safetensors").write_bytes((source / "adapter_model.safetensors").read_bytes())
        model = load_adapter(FAMILY, TARGET / "single", "single", folder, torch.float64)
        rows = next(steps(0, ALL_ROWS, ALL_ROWS, 1))
        with torch.no_grad():
            logits = model(**rows.inputs).logits
            merged = model.merge_and_unload()(**rows.inputs).logits
        assert torch.allclose(logits, merged, atol=1e-9)
        entries.append({"adapter": name, "rows": ROWS, "logits": logits.tolist()})
    return entries


def main() -> None:
    torch.set_num_threads(1)
    target = Path(__file__).parent
    manifest = {"cases": [write_case(target, name, case) for name, case in CASES.items()], "adapters": write_adapters(target)}
    between = ",\n"  # a line an entry
    sections = [f"{json.dumps(key)}: [\n{between.join(map(json.dumps, entries))}\n]" for key, entries in manifest.items()]
    (target / "golden.json").write_text("{\n" + between.join(sections) + "\n}\n")


if __name__ == "__main__":
    main()
