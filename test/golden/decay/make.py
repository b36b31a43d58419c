"""Runs of `--upper decay` on bert/single in float64:  python packed.py decay/make.py

A lower step is written out with λ = exp(θ) as a variable, and the hypergradient is what autograd makes of L_val through that step and the model.
"""

import json
import math
import os
import re
import sys
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
sys.dont_write_bytecode = True
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import torch
import transformers
from adapters import load_adapter, saved_name
from checkpoints import load, write_json, write_tensors
from families import FAMILIES
from texts import MAX_LENGTH
from torch.func import functional_call
from training import batches, decays, factor

Tensors = dict[str, torch.Tensor]
BERT = next(family for family in FAMILIES if family.name == "bert")
LOWER_ROWS, ALL_ROWS = 17, 22  # floor(0.8 · 22)
BETAS, EPSILON = (0.9, 0.99), 1e-8


@dataclass(frozen=True)
class Run:
    """Settings, named as the options are."""

    adapter: str | None
    maxSteps: int = 8
    retrainSteps: int = 5
    batchSize: int = 4
    gradientAccumulation: int = 1
    unrollSteps: int = 1
    learningRate: float = 2e-3
    retrainLearningRate: float = 2e-3
    upperLearningRate: float = 0.3
    weightDecay: float = 0.5
    warmupRatio: float = 0.2
    schedule: str = "linear"
    maxGradNorm: float | None = None


RUNS = {
    "lora": Run("lora"),
    "lora-unrolled-accumulated-clipped": Run("lora", unrollSteps=2, gradientAccumulation=2, maxGradNorm=1e-5, weightDecay=0.1, schedule="cosine"),
    "dora-wide": Run("dora-wide"),
    "vera": Run("vera"),
    "full": Run(None, learningRate=5e-4, retrainLearningRate=5e-4),
}


def group_of(name: str) -> str | None:
    """KIND.N of a tensor by its name in adapter_model.safetensors."""
    if not decays(name):
        return None
    if "classifier" in name or "pooler" in name:  # BERT's pooler is not in its backbone here
        return "head"
    kind = re.search(r"\.((?:lora|vera)_\w+)|\.(weight)$", name)
    number = re.search(r"\.(\d+)\.", name)
    return (kind[1] or kind[2]) + (f".{number[1]}" if number else "")


class Problem:
    def __init__(self, run: Run):
        single = HERE.parent / "bert/single"
        if run.adapter:
            self.model = load_adapter(BERT, single, "single", HERE.parent / "bert/adapters" / run.adapter, torch.float64)
            named = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        else:
            self.model = load(BERT, single, "single").double()
            named = dict(self.model.named_parameters())
        self.model.eval().requires_grad_(False)
        self.names = {name: saved_name(name) for name in named}  # by the model's name
        self.start = {name: p.detach().clone() for name, p in named.items()}
        self.groups = list(dict.fromkeys(group for name in named if (group := group_of(self.names[name]))))

    def loss(self, parameters: Tensors, taken: list) -> torch.Tensor:
        """The mean over the rows of all batches."""
        sums = [functional_call(self.model, parameters, (), batch.inputs | {"labels": batch.labels}).loss * len(batch.labels) for batch in taken]
        return sum(sums) / sum(len(batch.labels) for batch in taken)

    def gradient(self, parameters: Tensors, taken: list, limit: float | None) -> tuple[Tensors, float]:
        leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
        loss = self.loss(leaves, taken)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        norm = torch.stack([g.norm() for g in gradients]).norm().item()
        clip = min(1.0, limit / (norm + 1e-6)) if limit else 1.0
        return {name: clip * g for name, g in zip(leaves, gradients)}, loss.item()

    def named(self, prefix: str, parameters: Tensors) -> Tensors:
        return {f"{prefix}.{self.names[name]}": p.float() for name, p in parameters.items()}


class AdamW:
    """Steps as torch.optim.AdamW's, each tensor with a weight decay of its own that may be a variable."""

    def __init__(self, parameters: Tensors):
        self.first = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.second = dict(self.first)
        self.steps = 0

    def step(self, parameters: Tensors, gradients: Tensors, rate: float, decay_of) -> Tensors:
        self.steps += 1
        (b1, b2), t = BETAS, self.steps
        new = {}
        for name, g in gradients.items():
            self.first[name] = b1 * self.first[name] + (1 - b1) * g
            self.second[name] = b2 * self.second[name] + (1 - b2) * g**2
            root = (self.second[name] / (1 - b2**t)).sqrt()
            new[name] = parameters[name] * (1 - rate * decay_of(name)) - rate * self.first[name] / (1 - b1**t) / (root + EPSILON)
        return new


def check_steps(problem: Problem, run: Run) -> None:
    """The steps written here against torch's own, with the groups' decays."""
    parameters = {name: p.clone().requires_grad_() for name, p in problem.start.items()}
    decay = {name: 0.1 + 0.1 * len(problem.names[name]) if group_of(problem.names[name]) else 0.0 for name in parameters}
    theirs = torch.optim.AdamW([{"params": [p], "weight_decay": decay[name]} for name, p in parameters.items()], lr=1e-3, betas=BETAS, eps=EPSILON)
    own, optimizer = problem.start, AdamW(problem.start)
    stream = batches(BERT, HERE.parent, run.batchSize)
    for _ in range(3):
        taken = [next(stream)]
        theirs.zero_grad()
        problem.loss(parameters, taken).backward()
        theirs.step()
        own = optimizer.step(own, problem.gradient(own, taken, None)[0], 1e-3, decay.__getitem__)
    # Adam makes steps of the rounding errors of a key bias's gradient, which is 0.
    worst = max((own[name] - p).abs().max().item() for name, p in parameters.items() if not name.endswith("key.bias"))
    assert worst < 1e-12, worst


def search(problem: Problem, run: Run) -> tuple[Tensors, torch.Tensor, list[dict]]:
    rows = lambda first, last: batches(BERT, HERE.parent, run.batchSize, first, last)
    lower_rows, upper_rows = rows(0, LOWER_ROWS), rows(LOWER_ROWS, ALL_ROWS)
    take = lambda stream: [next(stream) for _ in range(run.gradientAccumulation)]
    logs = torch.full([len(problem.groups)], math.log(run.weightDecay), dtype=torch.float64, requires_grad=True)
    upper = torch.optim.AdamW([logs], lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=0.0)
    parameters, optimizer, log = problem.start, AdamW(problem.start), []
    index = {group: i for i, group in enumerate(problem.groups)}

    def decay_of(name: str):
        group = group_of(problem.names[name])
        return logs[index[group]].exp() if group else 0.0

    for step in range(run.maxSteps):
        for k in range(run.unrollSteps):
            taken = take(lower_rows)
            rate = run.learningRate * factor(step * run.unrollSteps + k, run.maxSteps * run.unrollSteps, run.warmupRatio, run.schedule)
            parameters = {name: p.detach() for name, p in parameters.items()}
            gradients, loss = problem.gradient(parameters, taken, run.maxGradNorm)
            parameters = optimizer.step(parameters, gradients, rate, decay_of)
        upper_loss = problem.loss(parameters, take(upper_rows))
        upper.zero_grad()
        upper_loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([logs], run.maxGradNorm or math.inf).item()
        upper.param_groups[0]["lr"] = run.upperLearningRate * factor(step, run.maxSteps, run.warmupRatio, run.schedule)
        upper.step()
        log.append({
            "loss": loss, "upperLoss": upper_loss.item(), "hypergradientNorm": norm, "learningRate": rate,
            "upper": dict(zip(problem.groups, logs.detach().exp().tolist())),
        })
    return {name: p.detach() for name, p in parameters.items()}, logs.detach().exp(), log


def retrain(problem: Problem, run: Run, decay: dict[str, float]) -> tuple[Tensors, list[dict]]:
    stream = batches(BERT, HERE.parent, run.batchSize)
    parameters, optimizer, log = problem.start, AdamW(problem.start), []
    for step in range(run.retrainSteps):
        rate = run.retrainLearningRate * factor(step, run.retrainSteps, run.warmupRatio, run.schedule)
        taken = [next(stream) for _ in range(run.gradientAccumulation)]
        gradients, loss = problem.gradient(parameters, taken, run.maxGradNorm)
        parameters = optimizer.step(parameters, gradients, rate, lambda name: decay.get(group_of(problem.names[name]), 0.0))
        log.append({"loss": loss, "learningRate": rate})
    return parameters, log


def write_run(name: str, run: Run) -> dict:
    problem = Problem(run)
    check_steps(problem, run)
    found, decay, search_log = search(problem, run)
    final, retrain_log = retrain(problem, run, dict(zip(problem.groups, decay.tolist())))
    write_tensors(HERE / f"{name}.safetensors", problem.named("search", found) | problem.named("final", final))
    print(f"{name}: {len(problem.groups)} groups, λ from {run.weightDecay} to {decay.min():.4f} … {decay.max():.4f}, norms {search_log[1]['hypergradientNorm']:.1e} …")
    adapter = run.adapter and f"adapters/{run.adapter}"
    settings = asdict(run) | {"maxLength": MAX_LENGTH, "searchFraction": 0.8, "adamBeta1": BETAS[0], "adamBeta2": BETAS[1], "adamEpsilon": EPSILON}
    del settings["adapter"]
    log = {"search": search_log, "retrain": retrain_log}
    return {"name": name, "checkpoint": "single", "adapter": adapter, "rows": "train", "file": f"{name}.safetensors", "settings": settings, "log": log}


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    write_json(HERE / "golden.json", [write_run(name, run) for name, run in RUNS.items()])


if __name__ == "__main__":
    main()
