import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import * as torch from "../torch/index.js";

/** What a layer applies to each element. */
export type Activation = (x: torch.Tensor) => torch.Tensor;

// One pass each way; where a gradient is differentiated again, libtorch's own formulas take over.
const geluTanh: Activation = (x) => torch.fusedGelu(x, { approximate: "tanh" });
const silu: Activation = (x) => torch.fusedSilu(x);

/** Activations by the names that Hugging Face configurations use (`hidden_act`, `activation_function`). */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  gelu: (x) => torch.fusedGelu(x),
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: (x) => torch.relu(x),
  silu,
  swish: silu,
  tanh: (x) => torch.tanh(x),
};

/** Throws when the name is not known. */
export function activation(name: string): Activation {
  const found = own(ACTIVATIONS, name);
  if (found) return found;
  const known = Object.keys(ACTIVATIONS).join(", ");
  throw new BidoraError("ACTIVATION", `The model's activation "${name}" is not supported; known are ${known}.`);
}
