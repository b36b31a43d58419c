import * as torch from "../torch/index.js";
import type { Analysis, Step } from "./analysis.js";
import { type BackwardState, type ForwardState, type Nested, placeAt } from "./rule.js";

type Place = torch.Place;
type Tensors = Map<Place, torch.Tensor>;

interface Walk {
  readonly tape: torch.Tape;
  readonly analysis: Analysis;
  readonly loss: Place;
  readonly lossDtype: torch.DType;
  /** Kept from the backward pass. */
  readonly gradients: Map<Place, torch.Tensor>;
  /** u, by place. */
  readonly along: ReadonlyMap<Place, torch.Tensor>;
  readonly wanted: ReadonlySet<Place>;
  /** What is kept is let go of when no further step reads it. */
  readonly isLast: boolean;
  readonly nested: Nested;
}

/** ẏ of each of `ends`, by place: a forward walk alone. */
export function walkForward(given: Omit<Walk, "loss" | "lossDtype" | "wanted">, ends: readonly Place[]): Tensors {
  return torch.noGrad(() => torch.scope(() => new Walker(given).runForward(ends)));
}

/** ġ of each of `wanted` that the loss depends on, by place. */
export function walk(given: Walk): Tensors {
  return torch.noGrad(() => torch.scope(() => new Walker(given).run(given)));
}

/** The numbers of one forward and one backward walk, each released after the last step that reads it. */
class Walker {
  /** What is not kept but made anew. */
  readonly #values: Tensors = new Map();
  readonly #tangents: Tensors = new Map();
  readonly #gradients: Tensors = new Map();
  readonly #changes: Tensors = new Map();

  #wanted: ReadonlySet<Place> = new Set();

  constructor(readonly given: Omit<Walk, "loss" | "lossDtype" | "wanted">) {}

  runForward(ends: readonly Place[]): Tensors {
    this.#walkForward(ends);
    const found = ends.flatMap((place) => {
      const tangent = this.#tangents.get(place);
      return tangent ? [[place, torch.alias(tangent)] as const] : [];
    });
    return new Map(found);
  }

  run({ loss, lossDtype, wanted }: Pick<Walk, "loss" | "lossDtype" | "wanted">): Tensors {
    const { analysis } = this.given;
    this.#wanted = wanted;
    this.#walkForward();
    this.#gradients.set(loss, torch.keep(torch.ones([], { dtype: lossDtype })));
    const ends = lastReads(analysis.backward, (step) => step.readsBackward.values ?? []);
    for (const [i, step] of analysis.backward.entries()) {
      if (step.call.results.some((place) => this.#gradient(place) || this.#changes.has(place)))
        torch.scope(() => this.#backward(step));
      for (const place of step.call.results)
        for (const tensors of [this.#values, this.#tangents, this.#gradients, this.#changes]) release(tensors, place);
      if (this.given.isLast) this.#letGo(step, ends.get(i) ?? []);
    }
    const found = new Map([...wanted].flatMap((place) => this.#handOver(place)));
    for (const tensors of [this.#gradients, this.#changes])
      for (const place of [...tensors.keys()]) release(tensors, place);
    return found;
  }

  #letGo({ call }: Step, values: readonly Place[]): void {
    for (const place of call.results) release(this.given.gradients, place);
    this.given.tape.drop(values);
  }

  #handOver(place: Place): (readonly [Place, torch.Tensor])[] {
    const change = this.#changes.get(place);
    return change ? [[place, torch.alias(change)]] : [];
  }

  /** @param ends whose tangents are to be there at the end */
  #walkForward(ends: readonly Place[] = []): void {
    const { forward, backward } = this.given.analysis;
    for (const [place, tensor] of this.given.along) this.#tangents.set(place, torch.alias(tensor));
    const later = backward.map((step) => step.readsBackward);
    const laterValues = new Set(later.flatMap(({ values = [] }) => values));
    const laterTangents = new Set([...ends, ...later.flatMap(({ tangents = [] }) => tangents)]);
    const lasts = lastReads(forward, ({ call }) => [...call.inputs, ...call.results]);
    for (const [i, step] of forward.entries()) {
      this.#remake(step);
      if (step.call.results.some(step.moves)) this.#forward(step);
      for (const place of lasts.get(i) ?? []) {
        if (!laterValues.has(place)) release(this.#values, place);
        if (!laterTangents.has(place)) release(this.#tangents, place);
      }
      if (this.given.isLast) this.given.tape.drop((lasts.get(i) ?? []).filter((place) => !laterValues.has(place)));
    }
  }

  #remake({ call }: Step): void {
    const { remade } = this.given.analysis;
    if (!call.results.some((place) => remade.has(place))) return;
    const made = torch.scope(() => this.#replay(call));
    for (const [i, place] of call.results.entries()) {
      if (remade.has(place)) this.#values.set(place, made[i] as torch.Tensor);
      else made[i]?.dispose();
    }
  }

  #replay(call: torch.TapeCall): torch.Tensor[] {
    const { tape } = this.given;
    return tape.replay(
      call,
      call.inputs.map((place) => this.#value(place)),
    );
  }

  #forward(step: Step): void {
    const found = torch.scope(() => step.rule.tangents(this.#forwardState(step)));
    for (const [i, place] of step.call.results.entries()) {
      const tangent = found[i];
      if (tangent) this.#tangents.set(place, tangent);
    }
  }

  #backward(step: Step): void {
    const wanted = this.#wanted;
    const isLeaf = (place: Place) => wanted.has(place);
    const state: BackwardState = {
      ...this.#forwardState(step),
      gradient: (result) => this.#gradient(step.call.results[result] as Place),
      change: (result) => this.#changes.get(step.call.results[result] as Place),
      wantsGradient: (place) => step.wants(place) && !isLeaf(place) && !this.given.gradients.has(place),
      wantsChange: step.wants,
      addGradient: (place, gradient) => add(this.#gradients, place, gradient),
      addChange: (place, change) => add(this.#changes, place, change),
    };
    step.rule.backward(state);
  }

  #forwardState({ call }: Step): ForwardState {
    return {
      call,
      argument: (index) => call.arguments[index] as torch.TapeArgument,
      place: (index) => placeAt(call, index),
      value: (place) => this.#value(place),
      tangent: (place) => this.#tangents.get(place),
      replay: (inputs) => this.given.tape.replay(call, inputs),
      nested: this.given.nested,
    };
  }

  #value(place: Place): torch.Tensor {
    const value = this.#values.get(place) ?? this.given.tape.tensor(place);
    if (!value) throw new TypeError(`A rule reads place ${place}, which it did not say.`);
    return value;
  }

  #gradient(place: Place): torch.Tensor | undefined {
    return this.given.gradients.get(place) ?? this.#gradients.get(place);
  }
}

/** By the number of a step, what no later one reads. */
function lastReads(steps: readonly Step[], reads: (step: Step) => readonly Place[]): Map<number, Place[]> {
  const last = new Map<Place, number>();
  for (const [i, step] of steps.entries()) for (const place of reads(step)) last.set(place, i);
  const ends = new Map<number, Place[]>();
  for (const [place, i] of last) ends.set(i, [...(ends.get(i) ?? []), place]);
  return ends;
}

/** Adds what a scope outside is to own. */
function add(sums: Tensors, place: Place, part: torch.Tensor): void {
  const before = sums.get(place);
  sums.set(place, torch.keep(before ? torch.add(before, part) : torch.alias(part)));
  before?.dispose();
}

function release(tensors: Tensors, place: Place): void {
  tensors.get(place)?.dispose();
  tensors.delete(place);
}
