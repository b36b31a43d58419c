import * as torch from "../torch/index.js";
import { analyse } from "./analysis.js";
import { walk } from "./walk.js";

/** What a forward pass is recorded for. */
export interface RecordOptions {
  /** Tensors that may move: u has one tensor for each. */
  readonly moving: readonly torch.Tensor[];
  /** Tensors whose gradients' derivatives are asked for. */
  readonly wanted: readonly torch.Tensor[];
}

/** A recorded forward pass that no gradient has been taken of. */
export interface Recorded {
  readonly loss: torch.Tensor;
  /** What the backward pass is to give gradients of as well: no product is made for them. */
  readonly inputs: readonly torch.Tensor[];
  /** With the gradients of `inputs`; lets go of the graph and of what no walk reads. */
  finish(gradients: readonly torch.Tensor[]): TangentTape;
  dispose(): void;
}

/** A forward and a backward pass, from which d/dε of its gradients along any u follow. */
export interface TangentTape {
  /**
   * d/dε ∇L(x + εu) at 0 with respect to each of `wanted`; zero where L does not depend on one.
   * @throws NoTangent
   */
  gradientsAlong(u: readonly torch.Tensor[]): torch.Tensor[];
  dispose(): void;
}

/** Records the pass that gives a loss. */
export function recordForward(body: () => torch.Tensor, { moving, wanted }: RecordOptions): Recorded {
  const { result: loss, tape } = torch.recordTape(body);
  const end = tape.find(loss);
  const { dtype: lossDtype } = loss;
  const moved = moving.map((tensor) => tape.find(tensor));
  const asked = wanted.map((tensor) => tape.find(tensor));
  const isPlace = (place: torch.Place | undefined) => place !== undefined;
  const analysis =
    end === undefined
      ? undefined
      : analyse(tape, { loss: end, moving: moved.filter(isPlace), wanted: asked.filter(isPlace) });
  const kept = [...(analysis?.keptGradients ?? [])];
  return {
    loss,
    inputs: kept.map((place) => tape.tensor(place) as torch.Tensor),
    finish(given) {
      const gradients = new Map(kept.map((place, i) => [place, torch.keep(given[i] as torch.Tensor)]));
      tape.prune(analysis?.keptValues ?? []);
      const shapes = wanted.map(({ shape, dtype }) => ({ shape, dtype }));
      const zeros = (i: number) => torch.zeros(shapes[i]!.shape, { dtype: shapes[i]!.dtype });
      return {
        gradientsAlong(u) {
          if (!analysis || end === undefined) return shapes.map((_, i) => zeros(i));
          const along = new Map(moved.flatMap((place, i) => (place === undefined ? [] : [[place, u[i]!] as const])));
          const found = walk({
            tape,
            analysis,
            loss: end,
            lossDtype,
            gradients,
            along,
            wanted: new Set(asked.filter(isPlace)),
          });
          return asked.map((place, i) => (place === undefined ? undefined : found.get(place)) ?? zeros(i));
        },
        dispose() {
          for (const gradient of gradients.values()) gradient.dispose();
          tape.dispose();
        },
      };
    },
    dispose: () => tape.dispose(),
  };
}
