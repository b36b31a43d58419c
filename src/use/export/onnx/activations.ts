/** Activations as primitive operators. */
import { type ActivationKind, activationKind } from "../../../models/nn/index.js";
import type { GraphBuilder } from "./graph/builder.js";
import type { Value } from "./graph/graph.js";

type Build = (graph: GraphBuilder, x: Value) => Value;

const ACTIVATIONS: Readonly<Record<ActivationKind, Build>> = {
  /** x·Φ(x) = x/2·(1 + erf(x/√2)) */
  gelu: (g, x) => g.mul(g.mul(x, g.add(g.erf(g.div(x, Math.SQRT2)), 1)), 0.5),
  /** x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) */
  geluTanh(g, x) {
    const cubed = g.mul(g.mul(g.mul(x, x), x), 0.044715);
    const inner = g.mul(g.add(x, cubed), Math.sqrt(2 / Math.PI));
    return g.mul(g.mul(x, g.add(g.tanh(inner), 1)), 0.5);
  },
  relu: (g, x) => g.relu(x),
  silu: (g, x) => g.mul(x, g.sigmoid(x)),
  tanh: (g, x) => g.tanh(x),
};

/** An activation by its name in Hugging Face's configurations. @throws BidoraError `ACTIVATION` for an unknown name */
export const activate = (graph: GraphBuilder, name: string, x: Value): Value =>
  ACTIVATIONS[activationKind(name)](graph, x);
