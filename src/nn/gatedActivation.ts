import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import * as torch from "../torch/index.js";

/** activation(gate)·up, element by element, in one pass each way. */
export type GatedActivation = (gate: torch.Tensor, up: torch.Tensor) => torch.Tensor;

const geluTanh: GatedActivation = (gate, up) => torch.geluMul(gate, up, { approximate: "tanh" });
const silu: GatedActivation = (gate, up) => torch.siluMul(gate, up);

/** By the names that Hugging Face configurations use for the activation. */
const GATED: Readonly<Record<string, GatedActivation>> = {
  gelu: (gate, up) => torch.geluMul(gate, up),
  gelu_new: geluTanh,
  gelu_fast: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  silu,
  swish: silu,
};

/** Throws when the name is not known. */
export function gatedActivation(name: string): GatedActivation {
  const found = own(GATED, name);
  if (found) return found;
  const known = Object.keys(GATED).join(", ");
  throw new BidoraError("ACTIVATION", `The model's gated activation "${name}" is not supported; known are ${known}.`);
}
