"""The peer of BiDoRA's search step: the published algorithm in plain PyTorch, float32.

A layer builds its dense weight W = m ⊙ V / ‖V‖, V = W0 + s·B·A, with gradients through the norm. A step is: an AdamW step on
the directions V = {A, B, head} with L_tr + γ·R, where R = mean ‖DᵀD − I‖_F is computed from D, V with unit columns; then one on the
magnitudes M with ∇_M L_val(V') − ξ·(∇_M L_tr(V + εv) − ∇_M L_tr(V − εv)) / 2ε, v = ∇_V' L_val, ε = 0.01 / ‖v‖. R does not depend
on the magnitudes, so the two difference passes leave it out, in the peer's favor.

So that both sides solve the same problem, everything else is as in bidora: one magnitude per row (published: per column), fused
AdamW with its default betas, without weight decay or schedule, and both levels' gradients clipped to norm 1 (published: not clipped).
"""

import itertools

import torch
import transformers
from batches import make_batches
from protocol import serve
from torch import nn

GAMMA = 1e-5
RATE = 1e-4


class DenseDora(nn.Module):
    def __init__(self, linear, rank):
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        out, inner = linear.weight.shape
        self.scale = 2.0
        self.a = nn.Parameter(torch.empty(rank, inner).uniform_(-(inner**-0.5), inner**-0.5))
        self.b = nn.Parameter(torch.zeros(out, rank))
        self.m = nn.Parameter(linear.weight.detach().norm(dim=1, keepdim=True))

    def direction(self, dim):
        v = self.weight + self.scale * (self.b @ self.a)
        return v / v.norm(dim=dim, keepdim=True)

    def forward(self, x):
        return nn.functional.linear(x, self.m * self.direction(dim=1), self.bias)


def adapt(model, spec):
    model.requires_grad_(False)
    wanted = ("query", "value") if spec["targets"] == "query-value" else ("query", "key", "value", "dense")
    layers = []
    for path, module in list(model.roberta.encoder.named_modules()):
        if isinstance(module, nn.Linear) and path.split(".")[-1] in wanted:
            parent = model.roberta.encoder.get_submodule(path.rpartition(".")[0])
            layers.append(DenseDora(module, spec["rank"]))
            setattr(parent, path.split(".")[-1], layers[-1])
    model.classifier.requires_grad_(True)
    return layers


def regularizer(layers):
    def of(layer):
        d = layer.direction(dim=0)
        return torch.linalg.norm(d.T @ d - torch.eye(d.shape[1]))

    return torch.stack([of(layer) for layer in layers]).mean()


class Search:
    def __init__(self, model, layers):
        self.model, self.layers = model, layers
        self.magnitudes = [layer.m for layer in layers]
        self.directions = [p for layer in layers for p in (layer.a, layer.b)] + list(model.classifier.parameters())
        self.lower = torch.optim.AdamW(self.directions, lr=RATE, weight_decay=0.0, fused=True)
        self.upper = torch.optim.AdamW(self.magnitudes, lr=RATE, weight_decay=0.0, fused=True)

    def loss(self, batch):
        return self.model(**batch).loss

    def gradients(self, loss, parameters):
        return torch.autograd.grad(loss, parameters)

    def step(self, train_batch, validation_batch):
        before = [p.detach().clone() for p in self.directions]
        loss = self.loss(train_batch) + GAMMA * regularizer(self.layers)
        self.update(self.lower, self.directions, self.gradients(loss, self.directions))
        after = [p.detach().clone() for p in self.directions]
        gradients = self.gradients(self.loss(validation_batch), self.magnitudes + self.directions)
        first, v = gradients[: len(self.magnitudes)], gradients[len(self.magnitudes) :]
        epsilon = 0.01 / torch.cat([g.flatten() for g in v]).norm()
        ahead = self.magnitude_gradients(train_batch, before, v, epsilon)
        behind = self.magnitude_gradients(train_batch, before, v, -epsilon)
        self.place(after)
        second = [(a - b) / (2 * epsilon) for a, b in zip(ahead, behind)]
        self.update(self.upper, self.magnitudes, [g - RATE * h for g, h in zip(first, second)])

    def magnitude_gradients(self, batch, before, v, epsilon):
        self.place([p + epsilon * g for p, g in zip(before, v)])
        return self.gradients(self.loss(batch), self.magnitudes)

    @torch.no_grad()
    def place(self, values):
        for parameter, value in zip(self.directions, values):
            parameter.copy_(value)

    def update(self, optimizer, parameters, gradients):
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()


def prepare(spec):
    torch.manual_seed(0)
    torch.set_num_threads(spec["threads"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(spec["model"], num_labels=spec["labels"])
    search = Search(model, adapt(model, spec))
    model.train()
    batches = itertools.cycle(make_batches(spec))
    facts = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return facts, lambda: search.step(next(batches), next(batches))


if __name__ == "__main__":
    serve(prepare)
