// Determines, without any values, which calls of a tape the walks visit and which tensors they need.

import type { Tape, TapeCall, Tensor, TensorId } from "../index.js";
import type { CallFacts, Rule, TensorReads } from "../operators/rule.js";
import { ruleOf } from "./rules.js";

/** A call that a walk visits. */
export interface Step extends CallFacts {
  readonly rule: Rule;
  readonly readsForward: TensorReads;
  readonly readsBackward: TensorReads;
}

export interface TapeAnalysis {
  /** Calls whose results move along u, and calls that are repeated to recompute values. */
  readonly forward: readonly Step[];
  /** Calls with an input that a wanted derivative flows through, in reverse order. */
  readonly backward: readonly Step[];
  /** Tensors whose gradients are kept from the backward pass. */
  readonly keptGradients: ReadonlySet<TensorId>;
  /** Tensors whose values are kept. */
  readonly keptValues: ReadonlySet<TensorId>;
  readonly recomputed: ReadonlySet<TensorId>;
  /** Of tensors that rules read for their shapes. */
  readonly likes: ReadonlyMap<TensorId, Like>;
}

/** A tensor's shape, dtype and device. */
export type Like = Pick<Tensor, "shape" | "dtype" | "device">;

/** The loss, and the tensors to differentiate with respect to and along. */
interface Ends {
  readonly ends: readonly TensorId[];
  /** Trained tensors that move along u. */
  readonly moving: readonly TensorId[];
  /** Trained tensors whose gradients' derivatives are wanted. */
  readonly wanted: readonly TensorId[];
}

export function analyzeTape(tape: Tape, { ends, moving, wanted }: Ends): TapeAnalysis {
  const calls = tape.calls.filter(
    ({ inputs, results, writes }) => writes || !results.some((id) => inputs.includes(id)),
  );
  const leading = leadingTo(calls, ends);
  const live = calls.filter(({ results }) => results.some((id) => leading.has(id)));
  const [moves, wants] = [reachedFrom(live, moving), reachedFrom(live, wanted)];
  const steps = live.map((call) => stepOf(tape, call, moves, wants));
  const moved = steps.filter(({ call }) => call.results.some((id) => moves.has(id)));
  const backward = steps.filter(({ call }) => call.results.some((id) => wants.has(id))).reverse();
  const producers = new Map(steps.flatMap((step) => step.call.results.map((id) => [id, step] as const)));
  const { kept, recomputed } = sourcesOf(producers, [
    ...moved.flatMap((step) => step.readsForward.values ?? []),
    ...backward.flatMap((step) => step.readsBackward.values ?? []),
  ]);
  const keptGradients = backward
    .flatMap((step) => step.rule.keptGradients(step))
    .filter((id) => wants.has(id) && producers.has(id));
  return {
    forward: steps.filter(({ call }) => call.results.some((id) => moves.has(id) || recomputed.has(id))),
    backward,
    keptGradients: new Set(keptGradients),
    keptValues: kept,
    recomputed,
    likes: new Map(backward.flatMap(likesOf)),
  };
}

function stepOf(tape: Tape, call: TapeCall, moving: ReadonlySet<TensorId>, wanted: ReadonlySet<TensorId>): Step {
  const rule = ruleOf(call.operator);
  const facts: CallFacts = {
    call,
    moves: (id) => id !== undefined && moving.has(id),
    wants: (id) => id !== undefined && wanted.has(id),
    peek: (id) => tape.tensor(id)!,
  };
  const isIn = (places: ReadonlySet<TensorId>) => call.results.some((id) => places.has(id));
  return {
    ...facts,
    rule,
    readsForward: isIn(moving) ? rule.readsForward(facts) : {},
    readsBackward: isIn(wanted) ? rule.readsBackward(facts) : {},
  };
}

const likesOf = ({ readsBackward: { shapes = [] }, peek }: Step) =>
  shapes.map((id): readonly [TensorId, Like] => {
    const { shape, dtype, device } = peek(id);
    return [id, { shape, dtype, device }];
  });

/** The inputs that derivatives flow through. */
function read(call: TapeCall): readonly TensorId[] {
  return ruleOf(call.operator).through?.(call) ?? call.inputs.filter((id) => !call.results.includes(id));
}

function reachedFrom(calls: readonly TapeCall[], starts: readonly TensorId[]): Set<TensorId> {
  const reached = new Set(starts);
  for (const call of calls)
    if (read(call).some((id) => reached.has(id))) for (const id of call.results) reached.add(id);
  return reached;
}

function leadingTo(calls: readonly TapeCall[], ends: readonly TensorId[]): Set<TensorId> {
  const found = new Set(ends);
  for (const call of [...calls].reverse())
    if (call.results.some((id) => found.has(id))) for (const id of read(call)) found.add(id);
  return found;
}

/** The values to keep so that each of `needed` is kept or recomputed by cheap calls, and the values that these recompute. */
function sourcesOf(
  producers: ReadonlyMap<TensorId, Step>,
  needed: readonly TensorId[],
): { readonly kept: ReadonlySet<TensorId>; readonly recomputed: ReadonlySet<TensorId> } {
  const [kept, recomputed] = [new Set<TensorId>(), new Set<TensorId>()];
  const open = [...needed];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (kept.has(id) || recomputed.has(id)) continue;
    const step = producers.get(id);
    if (!step?.rule.isCheap || step.call.writes) kept.add(id);
    else {
      recomputed.add(id);
      open.push(...step.call.inputs);
    }
  }
  return { kept, recomputed };
}
