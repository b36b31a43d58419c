"""Writes optim.json next to this file: steps of AdamW, SGD and Adafactor, clipped gradients and learning rate schedules by torch and
transformers, and steps of Lion, whose update is written here after algorithm 2 of arXiv 2302.06675.

    pip install torch==2.13.0 transformers==5.24.0
    python test/golden/optim/make_optim.py
"""

import json
from pathlib import Path

import torch
import transformers

generator = torch.Generator().manual_seed(4)
SHAPES = {"weight": (3, 4), "bias": (5,), "scalar": ()}


def drawn():
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def plain(tensors):
    return {name: t.flatten().tolist() for name, t in tensors.items()}


def steps_case(make, rates, options):
    """Weight decay excludes the bias. Gradients differ in scale by a factor of a thousand; one element's gradient is always zero."""
    start = drawn()
    weight_decay = options["weightDecay"]
    parameters = {name: t.clone().requires_grad_() for name, t in start.items()}
    groups = [
        {"params": [p for name, p in parameters.items() if name != "bias"], "weight_decay": weight_decay},
        {"params": [parameters["bias"]], "weight_decay": 0.0},
    ]
    optimizer = make(groups)
    steps = []
    for t, rate in enumerate(rates):
        gradients = {name: g * 10.0 ** (t % 4 - 2) for name, g in drawn().items()}
        gradients["weight"][0, 0] = 0.0
        for name, p in parameters.items():
            p.grad = gradients[name].clone()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        steps.append({"learningRate": rate, "gradients": plain(gradients), "after": plain({n: p.detach() for n, p in parameters.items()})})
    return {"options": options, "start": plain(start), "steps": steps, "state": [remembered(optimizer.state[p]) for p in parameters.values()]}


def remembered(state):
    """An optimizer's state for one tensor, without the step count."""
    kept = {name: value for name, value in state.items() if name != "step" and value is not None}
    return {name: {"shape": list(value.shape), "values": value.flatten().tolist()} for name, value in kept.items()}


def adamw_case(rates, betas, eps, weight_decay):
    options = {"adamBeta1": betas[0], "adamBeta2": betas[1], "adamEpsilon": eps, "weightDecay": weight_decay}
    return steps_case(lambda groups: torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=eps), rates, options)


def sgd_case(rates, momentum, weight_decay):
    options = {"momentum": momentum, "weightDecay": weight_decay}
    return steps_case(lambda groups: torch.optim.SGD(groups, lr=0.0, momentum=momentum), rates, options)


def adafactor_case(rates, weight_decay):
    return steps_case(lambda groups: torch.optim.Adafactor(groups, lr=0.0), rates, {"weightDecay": weight_decay})


class Lion(torch.optim.Optimizer):
    def __init__(self, groups, lr, betas):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            rate, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
            for p in group["params"]:
                m = self.state[p].get("exp_avg", torch.zeros_like(p))
                mixed = beta1 * m + (1 - beta1) * p.grad
                # The last bits of a computation must not decide about a sign.
                assert ((mixed == 0) | (mixed.abs() > 1e-5 * p.grad.abs())).all()
                p -= rate * (torch.sign(mixed) + decay * p)
                self.state[p]["exp_avg"] = beta2 * m + (1 - beta2) * p.grad


def lion_case(rates, betas, weight_decay):
    options = {"adamBeta1": betas[0], "adamBeta2": betas[1], "weightDecay": weight_decay}
    return steps_case(lambda groups: Lion(groups, lr=0.0, betas=betas), rates, options)


def clip_case(scale, max_norm):
    gradients = {name: g * scale for name, g in drawn().items()}
    parameters = [torch.zeros_like(g).requires_grad_() for g in gradients.values()]
    for p, g in zip(parameters, gradients.values()):
        p.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    clipped = dict(zip(gradients, (p.grad for p in parameters)))
    return {"maxNorm": max_norm, "norm": norm.item(), "gradients": plain(gradients), "clipped": plain(clipped)}


def schedule_case(name, steps, warmup_steps):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = transformers.get_scheduler(name if name != "constant" else "constant_with_warmup", optimizer, warmup_steps, steps)
    factors = []
    for _ in range(steps):
        factors.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"schedule": name, "steps": steps, "warmupRatio": warmup_steps / steps, "factors": factors}


golden = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "adamw": [
        adamw_case([0.0, 1e-3, 5e-3, 1e-2, 1e-2, 2e-3], (0.9, 0.999), 1e-8, 0.01),
        adamw_case([3e-2] * 5, (0.9, 0.98), 1e-6, 0.1),
        adamw_case([1e-2] * 3, (0.0, 0.5), 1e-3, 0.0),
    ],
    "clip": [clip_case(10.0, 1.0), clip_case(1e-3, 1.0), clip_case(1.0, 0.01), clip_case(1e-4, 1e-4)],
    "schedules": [schedule_case(name, steps, warmup) for name in ("linear", "cosine", "constant") for steps, warmup in ((10, 0), (10, 3), (4, 4))],
    "sgd": [
        sgd_case([0.0, 1e-3, 5e-3, 1e-2, 1e-2, 2e-3], 0.9, 0.01),
        sgd_case([3e-2] * 5, 0.5, 0.1),
        sgd_case([1e-2] * 3, 0.0, 0.1),
        sgd_case([1e-2] * 3, 0.9, 0.0),
    ],
    "adafactor": [
        adafactor_case([0.0, 1e-3, 5e-3, 1e-2, 1e-2, 2e-3], 0.01),
        adafactor_case([0.7] * 5, 0.1),
        adafactor_case([1e-2] * 3, 0.0),
    ],
    "lion": [
        lion_case([0.0, 1e-4, 5e-4, 1e-3, 1e-3, 2e-4], (0.9, 0.99), 0.01),
        lion_case([3e-2] * 5, (0.95, 0.98), 0.1),
        lion_case([1e-2] * 3, (0.5, 0.0), 0.0),
    ],
}
Path(__file__).with_name("optim.json").write_text(json.dumps(golden, indent=1) + "\n")
