"""BiDoRA in plain PyTorch: the paper's formulas, with dense weights and double backward. The specification in code.

Notation: an adapted weight W0 [out, in] has directions A [r, in], B [out, r] and a magnitude m; V = W0 + s·B·A and
W' = m·V/‖V‖. An embedding's table is W0ᵀ, and its magnitude [out], whatever the axis. Lower level: `directions` (all A, all B, and the head), upper level: `magnitudes`. Both are dictionaries of
tensors named as in adapter_model.safetensors.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call
from transformers.pytorch_utils import Conv1D

PREFIX = "base_model.model."
Tensors = dict[str, torch.Tensor]


# ---------------------------------------------------------------------------------------------- arithmetic on dictionaries


def dot(a: Tensors, b: Tensors) -> torch.Tensor:
    return sum((a[name] * b[name]).sum() for name in a)


def axpy(scale: float, x: Tensors, y: Tensors) -> Tensors:
    """y + scale·x"""
    return {name: y[name] + scale * x[name] for name in y}


def times(a: Tensors, b: Tensors) -> Tensors:
    return {name: a[name] * b[name] for name in a}


def norm(a: Tensors) -> torch.Tensor:
    return dot(a, a).sqrt()


def gradient(value: torch.Tensor, tensors: Tensors, create_graph: bool = False) -> Tensors:
    """The gradient of a scalar with respect to each tensor; zeros for tensors that it does not depend on."""
    grads = torch.autograd.grad(value, list(tensors.values()), create_graph=create_graph, materialize_grads=True)
    return dict(zip(tensors, grads))


def leaves(tensors: Tensors) -> Tensors:
    return {name: t.detach().clone().requires_grad_() for name, t in tensors.items()}


# ------------------------------------------------------------------------------------------------------------------ losses


@dataclass(frozen=True)
class Problem:
    """A classifier with adapted weights. `model` is frozen, without dropout, with eager attention."""

    model: nn.Module
    scales: dict[str, float]  # s of each adapted module path
    axis: str = "out"  # "out": m [out], norm of V's rows; "in": m [in], norm of V's columns
    norm_gradient: str = "full"  # "detached": ‖V‖ is a constant in every derivative
    gamma: float = 1e-5

    def raw(self, path: str, directions: Tensors) -> torch.Tensor:
        """V = W0 + s·B·A"""
        names = [f"{PREFIX}{path}.lora_embedding_{x}" if self.is_table(path) else f"{PREFIX}{path}.lora_{x}.weight" for x in "AB"]
        a, b = (directions[name] for name in names)
        weight = self.model.get_parameter(f"{path}.weight").detach()
        return (weight.T if self.is_turned(path) else weight) + self.scales[path] * (b @ a)

    def is_table(self, path: str) -> bool:
        return isinstance(self.model.get_submodule(path), nn.Embedding)

    def is_turned(self, path: str) -> bool:
        """Whether the model stores W as [in, out]."""
        return isinstance(self.model.get_submodule(path), (nn.Embedding, Conv1D))

    def weight(self, path: str, directions: Tensors, magnitudes: Tensors, norms_at: Tensors) -> torch.Tensor:
        """W' = m·V/‖V‖, in the model's shape. A detached norm is the constant ‖V‖ at `norms_at`."""
        dim = 1 if self.axis == "out" or self.is_table(path) else 0
        if self.norm_gradient == "full":
            size = self.raw(path, directions).norm(dim=dim, keepdim=True)
        else:
            size = self.raw(path, norms_at).norm(dim=dim, keepdim=True).detach()
        magnitude = magnitudes[f"{PREFIX}{path}.lora_magnitude_vector"].unsqueeze(dim)
        weight = magnitude / size * self.raw(path, directions)
        return weight.T if self.is_turned(path) else weight

    def loss(self, directions: Tensors, magnitudes: Tensors, batch, norms_at: Tensors | None = None) -> torch.Tensor:
        """Mean cross-entropy over the batch's rows, or over its predicted tokens. `norms_at` (default: `directions`) matters only for detached norms."""
        norms_at = directions if norms_at is None else norms_at
        weights = {f"{path}.weight": self.weight(path, directions, magnitudes, norms_at) for path in self.scales}
        weights |= {name.removeprefix(PREFIX): t for name, t in directions.items() if ".lora_" not in name}
        logits = functional_call(self.model, weights, (), batch.inputs).logits
        if batch.labels.dim() == 2:
            return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten())
        return nn.functional.cross_entropy(logits, batch.labels)

    def lower_loss(self, directions: Tensors, magnitudes: Tensors, batch, norms_at: Tensors | None = None) -> torch.Tensor:
        """The lower level's loss without γ·R."""
        return self.loss(directions, magnitudes, batch, norms_at)

    def regularizer(self, directions: Tensors) -> torch.Tensor:
        """R: mean over adapted linear layers of ‖DᵀD − I‖_F, D = V with unit columns, for either magnitude axis."""
        terms = []
        for path in self.scales:
            if self.is_table(path):
                continue
            v = self.raw(path, directions)
            d = v / v.norm(dim=0, keepdim=True)
            terms.append((d.T @ d - torch.eye(d.shape[1], dtype=d.dtype)).norm())
        return torch.stack(terms).mean()

    def train_loss(self, directions: Tensors, magnitudes: Tensors, batch, norms_at: Tensors | None = None) -> torch.Tensor:
        """L_tr: the loss plus γ·R. (The upper level's L_val is only the loss.)"""
        return self.lower_loss(directions, magnitudes, batch, norms_at) + self.gamma * self.regularizer(directions)


# ------------------------------------------------------------------------------------------------------------------- AdamW


@dataclass(frozen=True)
class AdamW:
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01  # of everything except biases


@dataclass(frozen=True)
class Moments:
    """AdamW's state: first and second moments after `steps` steps."""

    first: Tensors
    second: Tensors
    steps: int = 0

    @staticmethod
    def zeros(parameters: Tensors) -> "Moments":
        zero = {name: torch.zeros_like(p) for name, p in parameters.items()}
        return Moments(zero, dict(zero))


def adamw_step(p: Tensors, g: Tensors, state: Moments, rate: float, settings: AdamW) -> tuple[Tensors, Moments]:
    """A step of torch.optim.AdamW as a pure function, which autograd can differentiate with respect to p and g."""
    t = state.steps + 1
    b1, b2 = settings.beta1, settings.beta2
    first = {name: b1 * state.first[name] + (1 - b1) * g[name] for name in p}
    second = {name: b2 * state.second[name] + (1 - b2) * g[name] ** 2 for name in p}
    new = {}
    for name in p:
        decay = 0.0 if name.endswith("bias") else settings.weight_decay
        root = (second[name] / (1 - b2**t)).sqrt()
        new[name] = p[name] * (1 - rate * decay) - rate * first[name] / (1 - b1**t) / (root + settings.epsilon)
    return new, Moments(first, second, t)


def clipped(g: Tensors, max_norm: float | None) -> tuple[Tensors, float]:
    """Clips like torch.nn.utils.clip_grad_norm_, over all tensors together; also returns the factor."""
    factor = 1.0 if max_norm is None else min(1.0, max_norm / (norm(g).item() + 1e-6))
    return {name: factor * t for name, t in g.items()}, factor


def adamw_diagonal(g: Tensors, after: Moments, rate: float, settings: AdamW) -> Tensors:
    """D = −∂V'/∂g of the step that resulted in the moments `after`, element-wise (second term 0 where v̂ is 0)."""
    t, b1, b2 = after.steps, settings.beta1, settings.beta2
    diagonal = {}
    for name in g:
        root = (after.second[name] / (1 - b2**t)).sqrt()
        m_hat = after.first[name] / (1 - b1**t)
        d_root = torch.where(root > 0, (1 - b2) * g[name] / ((1 - b2**t) * root), 0.0)
        diagonal[name] = rate * ((1 - b1) / (1 - b1**t) / (root + settings.epsilon) - m_hat / (root + settings.epsilon) ** 2 * d_root)
    return diagonal


# ----------------------------------------------------------------------------------------------------------- hypergradient


@dataclass(frozen=True)
class Step:
    """A finished lower step from `before` to `after`, on `batch`, at learning rate `rate`."""

    before: Tensors
    after: Tensors
    magnitudes: Tensors
    batch: object
    rate: float
    gradient: Tensors  # ∇_V L_tr at `before`, clipped
    clip: float  # the factor of clipping
    moments: Moments  # after the step


def mixed_product(problem: Problem, step: Step, w: Tensors) -> Tensors:
    """∇²_{M,V} L_tr(V, M)·w at V = step.before, by double backward."""
    directions, magnitudes = leaves(step.before), leaves(step.magnitudes)
    g = gradient(problem.train_loss(directions, magnitudes, step.batch), directions, create_graph=True)
    return gradient(dot(g, w), magnitudes)


def hessian_product(problem: Problem, step: Step, w: Tensors) -> Tensors:
    """∇²_V L_tr(V, M)·w at V = step.before, by double backward. γ·R is part of L_tr here."""
    directions = leaves(step.before)
    g = gradient(problem.train_loss(directions, step.magnitudes, step.batch), directions, create_graph=True)
    return gradient(dot(g, w), directions)


def magnitude_gradient(problem: Problem, step: Step, directions: Tensors) -> Tensors:
    """∇_M L_tr at `directions`; detached norms are those at step.before."""
    magnitudes = leaves(step.magnitudes)
    return gradient(problem.train_loss(directions, magnitudes, step.batch, norms_at=step.before), magnitudes)


def central_difference(problem: Problem, step: Step, w: Tensors, radius: float = 0.01) -> Tensors:
    """(∇_M L_tr(V + εw) − ∇_M L_tr(V − εw)) / 2ε with ε = radius/‖w‖"""
    if norm(w) == 0:
        return {name: torch.zeros_like(m) for name, m in step.magnitudes.items()}
    epsilon = radius / norm(w)
    plus = magnitude_gradient(problem, step, axpy(epsilon, w, step.before))
    minus = magnitude_gradient(problem, step, axpy(-epsilon, w, step.before))
    return {name: (plus[name] - minus[name]) / (2 * epsilon) for name in plus}


def forward_difference(problem: Problem, step: Step, w: Tensors, radius: float = 0.01) -> Tensors:
    """(∇_M L_tr(V + εw) − ∇_M L_tr(V)) / ε with ε = radius/‖w‖"""
    if norm(w) == 0:
        return {name: torch.zeros_like(m) for name, m in step.magnitudes.items()}
    epsilon = radius / norm(w)
    plus = magnitude_gradient(problem, step, axpy(epsilon, w, step.before))
    here = magnitude_gradient(problem, step, step.before)
    return {name: (plus[name] - here[name]) / epsilon for name in plus}


def neumann(problem: Problem, step: Step, v: Tensors, terms: int) -> Tensors:
    """(∇²_V L_tr)⁻¹·v ≈ α·Σ_{k<terms} p_k with p_0 = v, p_{k+1} = p_k − α·∇²_V L_tr·p_k, α = step.rate.

    A single term equals `exact` at ξ = α."""
    p, total = v, v
    for _ in range(terms - 1):
        p = axpy(-step.rate, hessian_product(problem, step, p), p)
        total = axpy(1.0, p, total)
    return {name: step.rate * t for name, t in total.items()}


def conjugate_gradient(problem: Problem, step: Step, v: Tensors, iterations: int, damping: float) -> Tensors:
    """`iterations` of conjugate gradients from 0 for (∇²_V L_tr + damping·I)·q = v, which end at a direction without positive curvature."""
    q = {name: torch.zeros_like(t) for name, t in v.items()}
    residual = direction = v
    for _ in range(iterations):
        if dot(residual, residual) == 0:
            break
        product = axpy(damping, direction, hessian_product(problem, step, direction))
        curvature = dot(direction, product)
        if curvature <= 0:
            break
        alpha = dot(residual, residual) / curvature
        q = axpy(alpha, direction, q)
        new = axpy(-alpha, product, residual)
        direction = axpy(dot(new, new) / dot(residual, residual), direction, new)
        residual = new
    return q


def hypergradient(
    problem: Problem, step: Step, val_batch, estimator: str, xi: float | str, adamw: AdamW, terms: int = 3, damping: float = 1e-3
) -> tuple[Tensors, Tensors, Tensors, torch.Tensor]:
    """g = ∇_M L_val(V', M) − ∇²_{M,V} L_tr(V, M)·w, with v = ∇_{V'} L_val(V', M).

    w = ξ·v, or c·D∘v for xi = "optimizer", where c is the clipping factor, taken as constant ("learning-rate": ξ = step.rate); `neumann` and `cg` use w ≈ (∇²_V L_tr)⁻¹·v without ξ.
    The step length of finite differences does not depend on ξ: they are computed along v (or D∘v) and then scaled by ξ.
    Returns g, its first term, its second term (which is subtracted), and L_val."""
    directions, magnitudes = leaves(step.after), leaves(step.magnitudes)
    upper_loss = problem.loss(directions, magnitudes, val_batch)
    both = gradient(upper_loss, directions | magnitudes)
    first = {name: both[name] for name in magnitudes}
    v = {name: both[name] for name in directions}
    scale, along = 1.0, v
    if estimator == "neumann":
        along = neumann(problem, step, v, terms)
    elif estimator == "cg":
        along = conjugate_gradient(problem, step, v, terms, damping)
    elif xi == "optimizer":
        diagonal = adamw_diagonal(step.gradient, step.moments, step.rate, adamw)
        along = {name: step.clip * t for name, t in times(diagonal, v).items()}
    else:
        scale = step.rate if xi == "learning-rate" else xi
    products = {"finite-difference": central_difference, "forward-difference": forward_difference}
    if estimator == "first-order":
        second = {name: torch.zeros_like(t) for name, t in first.items()}
    else:
        product = products.get(estimator, mixed_product)(problem, step, along)
        second = {name: scale * t for name, t in product.items()}
    return axpy(-1.0, second, first), first, second, upper_loss.detach()


# ------------------------------------------------------------------------------------------------------- search and retrain


@dataclass(frozen=True)
class Run:
    """The settings of a run; learning rates follow a linear schedule with warm-up."""

    estimator: str = "exact"
    xi: float | str = 1.0
    search_steps: int = 8
    retrain_steps: int = 8
    rate: float = 2e-3
    upper_rate: float = 2e-3
    retrain_rate: float = 2e-3
    warmup_ratio: float = 0.1
    lower: AdamW = AdamW()
    upper: AdamW = AdamW(weight_decay=0.0)
    max_grad_norm: float | None = None


def factor(step: int, steps: int, warmup_ratio: float) -> float:
    """Linear schedule with warm-up, `step` from 0."""
    warmup = math.ceil(warmup_ratio * steps)
    return step / warmup if step < warmup else (steps - step) / (steps - warmup)


def lower_step(
    problem: Problem, directions: Tensors, magnitudes: Tensors, state: Moments, batch, rate: float, settings: AdamW, max_grad_norm: float | None = None
) -> tuple[Step, float]:
    """One AdamW step on the directions with L_tr; also returns the loss without γ·R."""
    variables = leaves(directions)
    loss = problem.lower_loss(variables, magnitudes, batch)
    g, clip = clipped(gradient(loss + problem.gamma * problem.regularizer(variables), variables), max_grad_norm)
    after, moments = adamw_step(directions, g, state, rate, settings)
    return Step(directions, after, magnitudes, batch, rate, g, clip, moments), loss.item()


def search(problem: Problem, directions: Tensors, magnitudes: Tensors, lower: Iterator, upper: Iterator, run: Run) -> tuple[Tensors, Tensors, list[dict]]:
    """The search phase: lower steps on the directions alternate with upper steps on the magnitudes."""
    lower_state, upper_state = Moments.zeros(directions), Moments.zeros(magnitudes)
    log = []
    for t in range(run.search_steps):
        now = factor(t, run.search_steps, run.warmup_ratio)
        step, loss = lower_step(problem, directions, magnitudes, lower_state, next(lower), now * run.rate, run.lower, run.max_grad_norm)
        g, _, _, upper_loss = hypergradient(problem, step, next(upper), run.estimator, run.xi, run.lower)
        magnitudes, upper_state = adamw_step(magnitudes, clipped(g, run.max_grad_norm)[0], upper_state, now * run.upper_rate, run.upper)
        directions, lower_state = step.after, step.moments
        log.append({"loss": loss, "upperLoss": upper_loss.item(), "hypergradientNorm": norm(g).item(), "learningRate": now * run.rate})
    return directions, magnitudes, log


def retrain(problem: Problem, directions: Tensors, magnitudes: Tensors, rows: Iterator, run: Run) -> tuple[Tensors, list[dict]]:
    """The retrain phase: `directions` from the start of the run, `magnitudes` frozen at the search's result."""
    state = Moments.zeros(directions)
    log = []
    for t in range(run.retrain_steps):
        rate = run.retrain_rate * factor(t, run.retrain_steps, run.warmup_ratio)
        step, loss = lower_step(problem, directions, magnitudes, state, next(rows), rate, run.lower, run.max_grad_norm)
        directions, state = step.after, step.moments
        log.append({"loss": loss, "learningRate": rate})
    return directions, log
