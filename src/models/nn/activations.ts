// Activations by the names that Hugging Face configurations use (`hidden_act`, `activation_function`).
import { BidoraError, own } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { gelu, geluMul, silu, siluMul } from "../../torch/operators/index.js";

/** An element-wise activation function. */
export type Activation = (x: torch.Tensor) => torch.Tensor;

/** activation(gate)·up, element-wise. */
export type GatedActivation = (gate: torch.Tensor, up: torch.Tensor) => torch.Tensor;

/** An activation, whatever it is called. */
export type ActivationKind = "gelu" | "geluTanh" | "relu" | "silu" | "tanh";

const KINDS: Readonly<Record<string, ActivationKind>> = {
  gelu: "gelu",
  gelu_new: "geluTanh",
  gelu_fast: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  relu: "relu",
  silu: "silu",
  swish: "silu",
  tanh: "tanh",
};

const ACTIVATIONS: Readonly<Record<ActivationKind, Activation>> = {
  gelu: (x) => gelu(x),
  geluTanh: (x) => gelu(x, "tanh"),
  relu: (x) => torch.relu(x),
  silu,
  tanh: (x) => torch.tanh(x),
};

const GATED: Readonly<Partial<Record<ActivationKind, GatedActivation>>> = {
  gelu: (gate, up) => geluMul(gate, up),
  geluTanh: (gate, up) => geluMul(gate, up, "tanh"),
  silu: siluMul,
};

/** @throws BidoraError `ACTIVATION` for an unknown name */
export function activationKind(name: string): ActivationKind {
  const kind = own(KINDS, name);
  if (kind) return kind;
  throw unknownActivation("activation", name, Object.keys(KINDS));
}

/** @throws BidoraError `ACTIVATION` for an unknown name */
export const activation = (name: string): Activation => ACTIVATIONS[activationKind(name)];

/** @throws BidoraError `ACTIVATION` for an unknown name */
export function gatedActivation(name: string): GatedActivation {
  const kind = own(KINDS, name);
  const gated = kind && GATED[kind];
  if (gated) return gated;
  const known = Object.keys(KINDS).filter((other) => GATED[KINDS[other]!]);
  throw unknownActivation("gated activation", name, known);
}

const unknownActivation = (what: string, name: string, known: readonly string[]): BidoraError =>
  new BidoraError("ACTIVATION", `The model's ${what} "${name}" is not supported; known are ${known.join(", ")}.`);
