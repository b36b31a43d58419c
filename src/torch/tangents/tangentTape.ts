// A recorded forward and backward pass, and directional derivatives of its gradients.

import * as torch from "../index.js";
import type { Nested } from "../operators/rule.js";
import { analyzeTape, type Like, type TapeAnalysis } from "./analysis.js";
import { type Exchange, type PlacedExchange, walk, walkForward } from "./walk.js";

/** The tensors that a forward pass is recorded for. */
export interface RecordOptions {
  /** Tensors that may move; u has one tensor for each. */
  readonly moving: readonly torch.Tensor[];
  /** Tensors whose gradients' derivatives are wanted. */
  readonly wanted: readonly torch.Tensor[];
  /** What the pass exchanged with other processes, once it is done. */
  readonly exchange?: () => Exchange | undefined;
}

/** A recorded forward pass, before its backward pass. */
export interface Recorded {
  readonly loss: torch.Tensor;
  /**
   * The gradients of `total`, which is the loss or a sum that includes it, with respect to `inputs`; zero for an input that it does not
   * depend on. Releases everything that the tangents do not need before the backward pass.
   */
  gradients(
    total: torch.Tensor,
    inputs: readonly torch.Tensor[],
  ): { readonly gradients: torch.Tensor[]; readonly tape: TangentTape };
}

/** A recorded forward and backward pass, which yields d/dε of its gradients along any u. */
export interface TangentTape {
  /**
   * d/dε ∇L(x + εu) at 0 with respect to each of `wanted`; zero for a tensor that L does not depend on.
   * @param isLast releases kept tensors along the way, so that no further call is possible
   * @throws NoTangent
   */
  gradientsAlong(u: readonly torch.Tensor[], isLast?: boolean): torch.Tensor[];
  dispose(): void;
}

/** Records a forward pass that returns a loss. */
export function recordForward(body: () => torch.Tensor, { moving, wanted, exchange }: RecordOptions): Recorded {
  const { result: loss, tape } = torch.recordTape(body);
  const recording: Recording = {
    tape,
    end: tape.find(loss),
    lossLike: { dtype: loss.dtype, device: loss.device },
    moved: moving.map((tensor) => tape.find(tensor)),
    exchange: placedOn(tape, exchange?.()),
    wantedIds: wanted.map((tensor) => tape.find(tensor)),
    likes: wanted.map(({ shape, dtype, device }) => ({ shape, dtype, device })),
  };
  return {
    loss,
    gradients(total, inputs) {
      const analysis = analysisOf(recording);
      const watched = [...(analysis?.keptGradients ?? [])];
      tape.prune(analysis?.keptValues ?? [], watched);
      const found = tape.gradients(total, inputs);
      const kept = new Map(
        watched.flatMap((id, i) => {
          const gradient = found[inputs.length + i];
          return gradient ? [[id, torch.keep(gradient)] as const] : [];
        }),
      );
      return {
        gradients: inputs.map((input, i) => found[i] ?? torch.zerosLike(input)),
        tape: tangentTape(recording, analysis, kept),
      };
    },
  };
}

interface Recording {
  readonly tape: torch.Tape;
  readonly end: torch.TensorId | undefined;
  readonly lossLike: Pick<torch.Tensor, "dtype" | "device">;
  readonly moved: readonly (torch.TensorId | undefined)[];
  readonly exchange: PlacedExchange | undefined;
  readonly wantedIds: readonly (torch.TensorId | undefined)[];
  /** Of each wanted gradient. */
  readonly likes: readonly Like[];
}

const isRecorded = (id: torch.TensorId | undefined) => id !== undefined;

/** Undefined if the loss depends on no recorded call. */
function analysisOf({ tape, end, moved, exchange, wantedIds }: Recording): TapeAnalysis | undefined {
  if (end === undefined) return undefined;
  const moving = [...moved.filter(isRecorded), ...(exchange?.others ?? [])];
  return analyzeTape(tape, { ends: [end], moving, wanted: wantedIds.filter(isRecorded) });
}

function placedOn(tape: torch.Tape, exchange: Exchange | undefined): PlacedExchange | undefined {
  if (!exchange) return undefined;
  const { own, others } = exchange;
  return {
    own: tape.find(own)!,
    others: others.map((other) => tape.find(other)!),
    tangents: (tangent) => exchange.tangents(tangent),
  };
}

function tangentTape(
  { tape, end, lossLike, moved, exchange, wantedIds, likes }: Recording,
  analysis: TapeAnalysis | undefined,
  gradients: Map<torch.TensorId, torch.Tensor>,
): TangentTape {
  return {
    gradientsAlong(u, isLast = false) {
      const along = alongIds(moved, u);
      const wanted = new Set(wantedIds.filter(isRecorded));
      const found =
        analysis && end !== undefined
          ? walk({ tape, analysis, loss: end, lossLike, gradients, along, exchange, wanted, isLast, nested })
          : new Map<torch.TensorId, torch.Tensor>();
      return likes.map(({ shape, ...like }, i) => found.get(wantedIds[i] ?? -1) ?? torch.zeros(shape, like));
    },
    dispose() {
      for (const gradient of gradients.values()) gradient.dispose();
      tape.dispose();
    },
  };
}

/** Nested passes, for the rules that need them. */
const nested: Nested = {
  tangents(body, moving, along) {
    const { result: outputs, tape } = torch.enableGrad(() => torch.recordTape(body));
    try {
      const found = outputs.map((output) => tape.find(output));
      const ends = found.filter(isRecorded);
      const ids = moving.map((tensor) => tape.find(tensor));
      const analysis = analyzeTape(tape, { ends, moving: ids.filter(isRecorded), wanted: [] });
      const motion = alongIds(ids, along);
      const walked = { tape, analysis, gradients: new Map(), along: motion, isLast: false, nested };
      const tangents = walkForward(walked, ends);
      return found.map((id) => tangents.get(id ?? -1));
    } finally {
      tape.dispose();
    }
  },
  gradientsAlong(body, { moving, along, wanted }) {
    const recorded = torch.enableGrad(() => recordForward(body, { moving, wanted }));
    const { tape } = recorded.gradients(recorded.loss, []);
    try {
      return tape.gradientsAlong(along, true);
    } finally {
      tape.dispose();
    }
  },
};

function alongIds(ids: readonly (torch.TensorId | undefined)[], u: readonly torch.Tensor[]) {
  return new Map(ids.flatMap((id, i) => (id === undefined ? [] : [[id, u[i]!] as const])));
}
