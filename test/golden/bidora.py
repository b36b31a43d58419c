"""Golden files of BiDoRA: hypergradients (float64) and complete runs, from the reference implementation in bidora_reference.py."""

import dataclasses
import math
from pathlib import Path

import torch
from adapters import load_adapter, trained
from bidora_reference import (
    AdamW, Moments, Problem, Run, Step, Tensors, adamw_step, axpy, central_difference, dot, forward_difference, gradient,
    hypergradient, leaves, lower_step, mixed_product, norm, retrain, search,
)
from checkpoints import load, normal, write_tensors
from families import Family
from forward import read_batch
from texts import MAX_LENGTH
from training import BATCH_SIZE, batches, update_error

ADAPTER = "dora-wide"
EMBEDDING_ADAPTER = "dora-embedding"
LANGUAGE_ADAPTER = "lm-dora"
LOWER_ROWS, ALL_ROWS = 17, 22  # floor(0.8 · 22)
TERMS, DAMPING = 3, 1e-3
RATE, STEPS_BEFORE = 2e-3, 3
ESTIMATORS = ("exact", "neumann", "cg", "first-order", "finite-difference", "forward-difference")
AXES = {2: ("out",), 3: ("out", "in")}  # by family depth
NORM_GRADIENTS = {2: ("full",), 3: ("full", "detached")}
TAKES_XI = ("exact", "finite-difference", "forward-difference")
XIS = (1.0, "learning-rate", "optimizer")
RUNS = {
    **{f"{estimator}-1": Run(estimator) for estimator in ESTIMATORS},
    "exact-learning-rate": Run("exact", "learning-rate"),
    "exact-optimizer": Run("exact", "optimizer"),
    "finite-difference-optimizer": Run("finite-difference", "optimizer"),
    "exact-1-no-retrain": Run("exact", retrain_steps=0),
    "exact-1-rates": Run("exact", rate=1e-3, upper_rate=4e-3, retrain_rate=3e-3, lower=AdamW(0.9, 0.98, 1e-6, 0.1), upper=AdamW(0.9, 0.98, 1e-6, 0.05)),
    "exact-1-clipped": Run("exact", max_grad_norm=0.05),
    "exact-optimizer-clipped": Run("exact", "optimizer", lower=AdamW(epsilon=1e-3), upper=AdamW(epsilon=1e-3, weight_decay=0.0), max_grad_norm=0.05),
}


def head_of(adapter: str) -> str:
    return "lm" if adapter.startswith("lm-") else "single"


def open_problem(
    family: Family, target: Path, dtype: torch.dtype, axis: str, norm_gradient: str, adapter: str = ADAPTER
) -> tuple[Problem, Tensors, Tensors]:
    """The problem, and the adapter's directions and magnitudes. For the axis "in", which PEFT lacks, magnitudes are perturbed norms."""
    head = head_of(adapter)
    peft_model = load_adapter(family, target / head, head, target / "adapters" / adapter)
    scales = {name.removeprefix("base_model.model."): m.scaling["default"] for name, m in peft_model.named_modules() if hasattr(m, "lora_A")}
    start = trained(peft_model, lambda p: p.detach().to(dtype))
    directions = {name: t for name, t in start.items() if "magnitude" not in name}
    magnitudes = {name: t for name, t in start.items() if "magnitude" in name}
    model = load(family, target / head, head).to(dtype).requires_grad_(False)
    problem = Problem(model, scales, axis, norm_gradient)
    if axis == "in":
        for path in scales:
            name = f"base_model.model.{path}.lora_magnitude_vector"
            size = problem.raw(path, directions).norm(dim=0)
            magnitudes[name] = (size * (1 + 0.15 * normal(name, size.shape))).to(torch.float32).to(dtype)
    return problem, directions, magnitudes


def after_some_steps(family: Family, root: Path, problem: Problem, directions: Tensors, magnitudes: Tensors) -> tuple[Step, Moments]:
    """The lower step on rows 12 to 15, which follows STEPS_BEFORE other steps, and the moments before it."""
    stream = batches(family, root, BATCH_SIZE, 0, 16)
    state = Moments.zeros(directions)
    for _ in range(STEPS_BEFORE):
        step, _ = lower_step(problem, directions, magnitudes, state, next(stream), RATE, AdamW())
        directions, state = step.after, step.moments
    step, _ = lower_step(problem, directions, magnitudes, state, next(stream), RATE, AdamW())
    return step, state


def through_adamw(problem: Problem, step: Step, state: Moments, val_batch) -> Tensors:
    """The hypergradient by autograd through the functional AdamW step, which xi = "optimizer" must equal."""
    magnitudes = leaves(step.magnitudes)
    directions = leaves(step.before)
    g = gradient(problem.train_loss(directions, magnitudes, step.batch), directions, create_graph=True)
    after, _ = adamw_step(step.before, g, state, step.rate, AdamW())
    return gradient(problem.loss(after, magnitudes, val_batch), magnitudes)


def rounded(tensors: Tensors) -> Tensors:
    return {name: t.to(torch.float32) for name, t in tensors.items()}


def named(prefix: str, tensors: Tensors) -> Tensors:
    return {f"{prefix}.{name}": t for name, t in tensors.items()}


def write_hypergradients(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes bidora/hypergradient-AXIS-NORM.safetensors; returns the manifest's entries."""
    entries = []
    for axis in AXES[family.depth]:
        for norm_gradient in NORM_GRADIENTS[family.depth]:
            problem, directions, magnitudes = open_problem(family, target, torch.float64, axis, norm_gradient)
            step, state = after_some_steps(family, root, problem, directions, magnitudes)
            val_batch = read_batch(family, root, "single", "train", slice(LOWER_ROWS, LOWER_ROWS + BATCH_SIZE))
            tensors = named("before", step.before) | named("after", step.after) | named("magnitude", magnitudes)
            tensors |= named("moment1", state.first) | named("moment2", state.second)
            tensors |= estimates(family, problem, step, val_batch) | named("throughOptimizer", through_adamw(problem, step, state, val_batch))
            variables = leaves({name: t for name, t in step.before.items() if ".lora_" in name})
            value = problem.regularizer(variables)
            tensors |= {"regularizer": value} | named("regularizerGradient", gradient(value, variables))
            file = f"bidora/hypergradient-{axis}-{norm_gradient}.safetensors"
            write_tensors(target / file, tensors)
            entries.append({
                "axis": axis, "normGradient": norm_gradient, "checkpoint": "single", "adapter": f"adapters/{ADAPTER}", "rows": "train", "maxLength": MAX_LENGTH,
                "lowerRows": [12, 16], "upperRows": [LOWER_ROWS, LOWER_ROWS + BATCH_SIZE], "learningRate": RATE, "stepsBefore": STEPS_BEFORE,
                "weightDecay": 0.01, "regularizer": problem.gamma, "terms": TERMS, "damping": DAMPING, "file": file,
            })
    return entries


def estimates(family: Family, problem: Problem, step: Step, val_batch) -> Tensors:
    tensors: Tensors = {}
    for estimator in ESTIMATORS if family.depth >= 3 else ("exact",):
        for xi in XIS if estimator in TAKES_XI else XIS[:1]:
            g, first, second, upper_loss = hypergradient(problem, step, val_batch, estimator, xi, AdamW(), TERMS, DAMPING)
            suffix = f"-{xi:g}" if isinstance(xi, float) else f"-{xi}"
            tensors |= named(estimator + suffix if estimator in TAKES_XI else estimator, g)
            if estimator == "exact" and xi == 1.0:
                tensors |= {"upperLoss": upper_loss} | named("first", first) | named("second", second)
    return tensors


def write_runs(family: Family, root: Path, target: Path) -> list[dict]:
    """Writes bidora/NAME.safetensors; returns the manifest's entries."""
    cases = [(name, run, "out", "full", ADAPTER) for name, run in RUNS.items() if family.depth >= 3 or name == "exact-1"]
    if family.depth >= 3:
        cases += [
            ("exact-1-detached", Run("exact"), "out", "detached", ADAPTER),
            ("exact-1-in", Run("exact"), "in", "full", ADAPTER),
            ("exact-1-in-detached", Run("exact"), "in", "detached", ADAPTER),
            ("exact-1-embedding", Run("exact"), "out", "full", EMBEDDING_ADAPTER),
            ("exact-optimizer-embedding-detached", Run("exact", "optimizer"), "out", "detached", EMBEDDING_ADAPTER),
        ]
    if family.is_decoder:
        cases += [(f"lm-{estimator}-1", Run(estimator), "out", "full", LANGUAGE_ADAPTER) for estimator in ESTIMATORS]
    return [write_run(family, root, target, *case) for case in cases]


def write_run(family: Family, root: Path, target: Path, name: str, run: Run, axis: str, norm_gradient: str, adapter: str) -> dict:
    tensors: Tensors = {}
    ends, starts, logs = {}, {}, {}
    for dtype in (torch.float64, torch.float32):
        problem, directions, magnitudes = open_problem(family, target, dtype, axis, norm_gradient, adapter)
        rows = lambda first, last: batches(family, root, BATCH_SIZE, first, last, head_of(adapter))
        lower, upper = rows(0, LOWER_ROWS), rows(LOWER_ROWS, ALL_ROWS)
        found, searched, search_log = search(problem, directions, magnitudes, lower, upper, run)
        final, retrain_log = found, []
        if run.retrain_steps:
            final, retrain_log = retrain(problem, directions, searched, rows(0, ALL_ROWS), run)
        kind = str(dtype).removeprefix("torch.")
        if dtype == torch.float64:
            tensors |= rounded(named("search", found | searched) | named("final", final if run.retrain_steps else {}))
            tensors |= rounded(named("start", magnitudes)) if axis == "in" else {}
        ends[dtype], starts[dtype], logs[kind] = final | searched, directions | magnitudes, {"search": search_log, "retrain": retrain_log}
    file = f"bidora/{name}.safetensors"
    write_tensors(target / file, tensors)
    distance = update_error(starts[torch.float64], ends[torch.float32], ends[torch.float64])
    upper_losses = [entry["upperLoss"] for entry in logs["float64"]["search"]]
    print(f"  {family.name} bidora {name}: upper loss {upper_losses[0]:.4f} -> {upper_losses[-1]:.4f}, float32 differs by {distance:.1e}")
    return {
        "name": name, "checkpoint": head_of(adapter), "adapter": f"adapters/{adapter}", "rows": "train", "file": file, "axis": axis, "normGradient": norm_gradient,
        "settings": settings(run), "log": logs["float64"], "float32Distance": distance,
    }


def settings(run: Run) -> dict:
    """The run's settings, by option names."""
    return {
        "maxLength": MAX_LENGTH, "batchSize": BATCH_SIZE, "searchFraction": 0.8, "hypergradient": run.estimator, "xi": run.xi, "maxSteps": run.search_steps,
        "retrainSteps": run.retrain_steps, "learningRate": run.rate, "upperLearningRate": run.upper_rate, "retrainLearningRate": run.retrain_rate,
        "warmupRatio": run.warmup_ratio, "weightDecay": run.lower.weight_decay, "upperWeightDecay": run.upper.weight_decay,
        "adamBeta1": run.lower.beta1, "adamBeta2": run.lower.beta2, "adamEpsilon": run.lower.epsilon, "regularizer": 1e-5, "maxGradNorm": run.max_grad_norm,
        "schedule": "linear", "terms": TERMS, "damping": DAMPING,
    }


# ------------------------------------------------------------------------------------------------- checks of the reference


def distance(a: Tensors, b: Tensors) -> float:
    return (norm(axpy(-1.0, a, b)) / norm(b)).item()


def check(name: str, value: float, bound: float) -> None:
    print(f"  check {name}: {value:.1e} (at most {bound:.0e})")
    assert value <= bound and math.isfinite(value), name


def check_reference(family: Family, root: Path, target: Path) -> None:
    """Checks the reference against PEFT and torch's AdamW, and its hypergradients against differences of unrolled objectives."""
    check_peft(family, root, target, ADAPTER)
    if family.depth >= 3:
        check_peft(family, root, target, EMBEDDING_ADAPTER)
    for axis in ("out", "in"):
        for norm_gradient in ("full", "detached"):
            check_hypergradient(family, root, target, axis, norm_gradient)


def check_peft(family: Family, root: Path, target: Path, adapter: str) -> None:
    problem, directions, magnitudes = open_problem(family, target, torch.float64, "out", "detached", adapter)
    model = load_adapter(family, target / "single", "single", target / "adapters" / adapter, torch.float64)
    stream = batches(family, root, BATCH_SIZE)
    decayed = [p for n, p in model.named_parameters() if p.requires_grad and not n.endswith("bias")]
    biases = [p for n, p in model.named_parameters() if p.requires_grad and n.endswith("bias")]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}], lr=1e-3)
    parameters, state = directions | magnitudes, Moments.zeros(directions | magnitudes)
    for _ in range(3):
        batch = next(stream)
        model(**batch.inputs, labels=batch.labels).loss.backward()
        variables = leaves(parameters)
        g = gradient(problem.loss(variables, variables, batch), variables)
        check(f"{family.name} {adapter}: gradient against PEFT", distance(g, trained(model, lambda p: p.grad)), 1e-9)
        optimizer.step()
        optimizer.zero_grad()
        parameters, state = adamw_step(parameters, g, state, 1e-3, AdamW())
    check(f"{family.name} {adapter}: three AdamW steps against torch.optim", distance(parameters, trained(model, lambda p: p.detach())), 1e-9)


def check_hypergradient(family: Family, root: Path, target: Path, axis: str, norm_gradient: str) -> None:
    label = f"{family.name} {axis} {norm_gradient}"
    problem, directions, magnitudes = open_problem(family, target, torch.float64, axis, norm_gradient)
    step, state = after_some_steps(family, root, problem, directions, magnitudes)
    val_batch = read_batch(family, root, "single", "train", slice(LOWER_ROWS, LOWER_ROWS + BATCH_SIZE))
    estimate = lambda estimator, xi, **rest: hypergradient(problem, step, val_batch, estimator, xi, AdamW(), **rest)[0]
    check(f"{label}: xi=optimizer against autograd through AdamW", distance(estimate("exact", "optimizer"), through_adamw(problem, step, state, val_batch)), 1e-12)
    check(f"{label}: one term of neumann against exact", distance(estimate("neumann", 0.0, terms=1), estimate("exact", "learning-rate")), 1e-12)
    w = {name: normal("w" + name, t.shape).double() for name, t in step.before.items()}
    exact = mixed_product(problem, step, w)
    for product, order in ((central_difference, 2), (forward_difference, 1)):
        errors = [distance(product(problem, step, w, radius), exact) for radius in (2e-3, 1e-3)]
        check(f"{label}: order of {product.__name__}, off {order} by", abs(math.log2(errors[0] / errors[1]) - order), 0.05)
    if norm_gradient == "full":
        check_unrolled(label, problem, step, state, val_batch)


def check_unrolled(label: str, problem: Problem, step: Step, state: Moments, val_batch) -> None:
    """Compares g·u, for a random direction u of magnitudes, with the central difference of L_val(V'(M), M)."""
    xi = 0.05
    u = {name: normal("u" + name, t.shape).double() for name, t in step.magnitudes.items()}

    def descended(magnitudes: Tensors) -> Tensors:
        variables = leaves(step.before)
        return axpy(-xi, gradient(problem.train_loss(variables, magnitudes, step.batch), variables), step.before)

    def optimized(magnitudes: Tensors) -> Tensors:
        variables = leaves(step.before)
        return adamw_step(step.before, gradient(problem.train_loss(variables, magnitudes, step.batch), variables), state, step.rate, AdamW())[0]

    for name, unrolled, setting in (("gradient descent", descended, xi), ("AdamW", optimized, "optimizer")):
        objective = lambda h: problem.loss(unrolled(axpy(h, u, step.magnitudes)), axpy(h, u, step.magnitudes), val_batch).item()
        h = 1e-5
        slope = (objective(h) - objective(-h)) / (2 * h)
        taken = dataclasses.replace(step, after=unrolled(step.magnitudes))
        g = hypergradient(problem, taken, val_batch, "exact", setting, AdamW())[0]
        check(f"{label}: g·u against the unrolled objective, {name}", abs(dot(g, u).item() / slope - 1), 1e-6)
