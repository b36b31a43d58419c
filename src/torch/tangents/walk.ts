// The walks over a recorded pass: forward with tangents, and backward with gradients and their derivatives.

import * as torch from "../index.js";
import type { BackwardState, ForwardState, Nested } from "../operators/rule.js";
import type { Step, TapeAnalysis } from "./analysis.js";

type TensorId = torch.TensorId;
type Tensors = Map<TensorId, torch.Tensor>;

/** Tensors of other processes that a pass reads beside this process's: each process knows only the tangent of its own. */
export interface Exchange {
  readonly own: torch.Tensor;
  readonly others: readonly torch.Tensor[];
  /**
   * The tangents of `others`, in exchange for that of `own`.
   * @param own undefined for zero
   */
  tangents(own: torch.Tensor | undefined): readonly torch.Tensor[];
}

/** An exchange by the places of its tensors on the tape. */
export interface PlacedExchange {
  readonly own: TensorId;
  readonly others: readonly TensorId[];
  tangents(own: torch.Tensor | undefined): readonly torch.Tensor[];
}

interface Walk {
  readonly tape: torch.Tape;
  readonly analysis: TapeAnalysis;
  readonly loss: TensorId;
  readonly lossLike: Pick<torch.Tensor, "dtype" | "device">;
  /** Kept from the backward pass. */
  readonly gradients: Map<TensorId, torch.Tensor>;
  /** u, by tensor. */
  readonly along: ReadonlyMap<TensorId, torch.Tensor>;
  readonly exchange?: PlacedExchange | undefined;
  readonly wanted: ReadonlySet<TensorId>;
  /** Whether to release kept tensors once no later step reads them. */
  readonly isLast: boolean;
  readonly nested: Nested;
}

/** ẏ of each of `ends`, by a forward walk only. */
export function walkForward(given: Omit<Walk, "loss" | "lossLike" | "wanted">, ends: readonly TensorId[]): Tensors {
  return torch.noGrad(() => torch.scope(() => new Walker(given).runForward(ends)));
}

/** ġ of each of `wanted` that the loss depends on. */
export function walk(given: Walk): Tensors {
  return torch.noGrad(() => torch.scope(() => new Walker(given).run(given)));
}

/** One forward and one backward walk, and their tensors, each of which is released after the last step that reads it. */
class Walker {
  /** Recomputed values. */
  readonly #values: Tensors = new Map();
  readonly #tangents: Tensors = new Map();
  readonly #gradients: Tensors = new Map();
  readonly #changes: Tensors = new Map();

  #wanted: ReadonlySet<TensorId> = new Set();

  constructor(readonly given: Omit<Walk, "loss" | "lossLike" | "wanted">) {}

  runForward(ends: readonly TensorId[]): Tensors {
    this.#walkForward(ends);
    const found = ends.flatMap((id) => {
      const tangent = this.#tangents.get(id);
      return tangent ? [[id, torch.alias(tangent)] as const] : [];
    });
    return new Map(found);
  }

  run({ loss, lossLike, wanted }: Pick<Walk, "loss" | "lossLike" | "wanted">): Tensors {
    const { analysis } = this.given;
    this.#wanted = wanted;
    this.#walkForward();
    this.#gradients.set(loss, torch.keep(torch.ones([], lossLike)));
    const ends = lastReads(analysis.backward, (step) => step.readsBackward.values ?? []);
    for (const [i, step] of analysis.backward.entries()) {
      if (step.call.results.some((id) => this.#gradient(id) || this.#changes.has(id)))
        torch.scope(() => this.#backward(step));
      for (const id of step.call.results)
        for (const tensors of [this.#values, this.#tangents, this.#gradients, this.#changes]) release(tensors, id);
      if (this.given.isLast) this.#release(step, ends.get(i) ?? []);
    }
    const found = new Map([...wanted].flatMap((id) => this.#handOver(id)));
    for (const tensors of [this.#gradients, this.#changes]) for (const id of [...tensors.keys()]) release(tensors, id);
    return found;
  }

  #release({ call }: Step, values: readonly TensorId[]): void {
    for (const id of call.results) release(this.given.gradients, id);
    this.given.tape.drop(values);
  }

  #handOver(id: TensorId): (readonly [TensorId, torch.Tensor])[] {
    const change = this.#changes.get(id);
    return change ? [[id, torch.alias(change)]] : [];
  }

  /** @param ends tensors whose tangents are needed after the walk */
  #walkForward(ends: readonly TensorId[] = []): void {
    const { forward, backward } = this.given.analysis;
    for (const [id, tensor] of this.given.along) this.#tangents.set(id, torch.alias(tensor));
    const later = backward.map((step) => step.readsBackward);
    const laterValues = new Set(later.flatMap(({ values = [] }) => values));
    const laterTangents = new Set([...ends, ...later.flatMap(({ tangents = [] }) => tangents)]);
    const lasts = lastReads(forward, ({ call }) => [...call.inputs, ...call.results]);
    for (const [i, step] of forward.entries()) {
      this.#recompute(step);
      if (step.call.results.some(step.moves)) this.#forward(step);
      this.#exchange(step);
      for (const id of lasts.get(i) ?? []) {
        if (!laterValues.has(id)) release(this.#values, id);
        if (!laterTangents.has(id)) release(this.#tangents, id);
      }
      if (this.given.isLast) this.given.tape.drop((lasts.get(i) ?? []).filter((id) => !laterValues.has(id)));
    }
  }

  #recompute({ call }: Step): void {
    const { recomputed } = this.given.analysis;
    if (!call.results.some((id) => recomputed.has(id))) return;
    const results = torch.scope(() => this.#replay(call));
    for (const [i, id] of call.results.entries()) {
      if (recomputed.has(id)) this.#values.set(id, results[i]!);
      else results[i]?.dispose();
    }
  }

  #replay(call: torch.TapeCall): torch.Tensor[] {
    const { tape } = this.given;
    return tape.replay(
      call,
      call.inputs.map((id) => this.#value(id)),
    );
  }

  #forward(step: Step): void {
    const found = torch.scope(() => step.rule.tangents(this.#forwardState(step)));
    for (const [i, id] of step.call.results.entries()) {
      const tangent = found[i];
      if (tangent) this.#tangents.set(id, tangent);
    }
  }

  /** The tangents of other processes, once this one has its own. */
  #exchange({ call }: Step): void {
    const { exchange } = this.given;
    if (!exchange || !call.results.includes(exchange.own)) return;
    const found = torch.scope(() => exchange.tangents(this.#tangents.get(exchange.own)));
    for (const [i, id] of exchange.others.entries()) this.#tangents.set(id, found[i]!);
  }

  #backward(step: Step): void {
    const wanted = this.#wanted;
    const isLeaf = (id: TensorId) => wanted.has(id);
    const state: BackwardState = {
      ...this.#forwardState(step),
      gradient: (result) => this.#gradient(step.call.results[result]!),
      zeros: (id) => this.#zeros(id),
      change: (result) => this.#changes.get(step.call.results[result]!),
      wantsGradient: (id) => step.wants(id) && !isLeaf(id) && !this.given.gradients.has(id),
      wantsChange: step.wants,
      addGradient: (id, gradient) => add(this.#gradients, id, gradient),
      addChange: (id, change) => add(this.#changes, id, change),
    };
    step.rule.backward(state);
  }

  #forwardState({ call }: Step): ForwardState {
    return {
      call,
      value: (id) => this.#value(id),
      tangent: (id) => this.#tangents.get(id),
      replay: (inputs) => this.given.tape.replay(call, inputs),
      nested: this.given.nested,
    };
  }

  #value(id: TensorId): torch.Tensor {
    const value = this.#values.get(id) ?? this.given.tape.tensor(id);
    if (!value) throw new TypeError(`A rule reads tensor ${id} without declaring it.`);
    return value;
  }

  #zeros(id: TensorId): torch.Tensor | undefined {
    const like = this.given.analysis.likes.get(id);
    return like && torch.zeros(like.shape, like);
  }

  #gradient(id: TensorId): torch.Tensor | undefined {
    return this.given.gradients.get(id) ?? this.#gradients.get(id);
  }
}

/** For each step, by index, the tensors that no later step reads. */
function lastReads(steps: readonly Step[], reads: (step: Step) => readonly TensorId[]): Map<number, TensorId[]> {
  const last = new Map<TensorId, number>();
  for (const [i, step] of steps.entries()) for (const id of reads(step)) last.set(id, i);
  const ends = new Map<number, TensorId[]>();
  for (const [id, i] of last) ends.set(i, [...(ends.get(i) ?? []), id]);
  return ends;
}

/** Adds to a sum that outlives the current scope. */
function add(sums: Tensors, id: TensorId, part: torch.Tensor): void {
  const before = sums.get(id);
  sums.set(id, torch.keep(before ? torch.add(before, part) : torch.alias(part)));
  before?.dispose();
}

function release(tensors: Tensors, id: TensorId): void {
  tensors.get(id)?.dispose();
  tensors.delete(id);
}
