// Activations by the names that Hugging Face configurations use (`hidden_act`, `activation_function`).
import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";

import { gelu, geluMul, silu, siluMul } from "../operators/activation.js";
import * as torch from "../torch/index.js";

/** An element-wise activation function. */
export type Activation = (x: torch.Tensor) => torch.Tensor;

/** activation(gate)·up, element-wise. */
export type GatedActivation = (gate: torch.Tensor, up: torch.Tensor) => torch.Tensor;

const geluTanh: Activation = (x) => gelu(x, "tanh");

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: (x) => gelu(x),
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: (x) => torch.relu(x),
  silu,
  swish: silu,
  tanh: (x) => torch.tanh(x),
};

const geluTanhMul: GatedActivation = (gate, up) => geluMul(gate, up, "tanh");

const GATED: Readonly<Record<string, GatedActivation>> = {
  gelu: (gate, up) => geluMul(gate, up),
  gelu_new: geluTanhMul,
  gelu_fast: geluTanhMul,
  gelu_pytorch_tanh: geluTanhMul,
  silu: siluMul,
  swish: siluMul,
};

/** @throws BidoraError `ACTIVATION` for an unknown name */
export const activation = (name: string): Activation => found(ACTIVATIONS, name, "activation");

/** @throws BidoraError `ACTIVATION` for an unknown name */
export const gatedActivation = (name: string): GatedActivation => found(GATED, name, "gated activation");

function found<T>(table: Readonly<Record<string, T>>, name: string, what: string): T {
  const entry = own(table, name);
  if (entry) return entry;
  const known = Object.keys(table).join(", ");
  throw new BidoraError("ACTIVATION", `The model's ${what} "${name}" is not supported; known are ${known}.`);
}
