// What of a tape the walks go over, known before any number is.
import type { Place, Tape, TapeCall, Tensor } from "../torch/index.js";
import { ruleOf } from "./registry.js";
import type { CallFacts, Reads, Rule } from "./rule.js";

/** A call that a walk goes over. */
export interface Step extends CallFacts {
  readonly rule: Rule;
  readonly readsForward: Reads;
  readonly readsBackward: Reads;
}

export interface Analysis {
  /** Calls whose results move along u, and calls that are made anew for their values. */
  readonly forward: readonly Step[];
  /** Calls with an input that a wanted derivative comes through, the last first. */
  readonly backward: readonly Step[];
  /** Places whose gradients are to be kept from the backward pass. */
  readonly keptGradients: ReadonlySet<Place>;
  /** Places whose values are kept, and those whose values cheap calls make anew from them. */
  readonly keptValues: ReadonlySet<Place>;
  readonly remade: ReadonlySet<Place>;
}

/** What a gradient is taken of, by what, and along what. */
export interface Ends {
  readonly ends: readonly Place[];
  /** Trained tensors that move along u. */
  readonly moving: readonly Place[];
  /** Trained tensors whose gradients' derivatives are wanted. */
  readonly wanted: readonly Place[];
}

export function analyse(tape: Tape, { ends, moving, wanted }: Ends): Analysis {
  const made = tape.calls.filter(
    ({ inputs, results, writes }) => writes || !results.some((place) => inputs.includes(place)),
  );
  const bearing = leadingTo(made, ends);
  const live = made.filter(({ results }) => results.some((place) => bearing.has(place)));
  const [moves, wants] = [reachedFrom(live, moving), reachedFrom(live, wanted)];
  const steps = live.map((call) => stepOf(tape, call, moves, wants));
  const inMotion = steps.filter(({ call }) => call.results.some((place) => moves.has(place)));
  const backward = steps.filter(({ call }) => call.results.some((place) => wants.has(place))).reverse();
  const producers = new Map(steps.flatMap((step) => step.call.results.map((place) => [place, step] as const)));
  const { kept, remade } = sourcesOf(producers, [
    ...inMotion.flatMap((step) => step.readsForward.values ?? []),
    ...backward.flatMap((step) => step.readsBackward.values ?? []),
  ]);
  const keptGradients = backward
    .flatMap((step) => step.rule.keptGradients(step))
    .filter((place) => wants.has(place) && producers.has(place));
  return {
    forward: steps.filter(({ call }) => call.results.some((place) => moves.has(place) || remade.has(place))),
    backward,
    keptGradients: new Set(keptGradients),
    keptValues: kept,
    remade,
  };
}

function stepOf(tape: Tape, call: TapeCall, moving: ReadonlySet<Place>, wanted: ReadonlySet<Place>): Step {
  const rule = ruleOf(call.operator);
  const facts: CallFacts = {
    call,
    moves: (place) => place !== undefined && moving.has(place),
    wants: (place) => place !== undefined && wanted.has(place),
    peek: (place) => tape.tensor(place) as Tensor,
  };
  const isIn = (places: ReadonlySet<Place>) => call.results.some((place) => places.has(place));
  return {
    ...facts,
    rule,
    readsForward: isIn(moving) ? rule.readsForward(facts) : {},
    readsBackward: isIn(wanted) ? rule.readsBackward(facts) : {},
  };
}

/** The inputs that derivatives come through. */
function read(call: TapeCall): readonly Place[] {
  return ruleOf(call.operator).through?.(call) ?? call.inputs.filter((place) => !call.results.includes(place));
}

function reachedFrom(calls: readonly TapeCall[], starts: readonly Place[]): Set<Place> {
  const reached = new Set(starts);
  for (const call of calls)
    if (read(call).some((place) => reached.has(place))) for (const place of call.results) reached.add(place);
  return reached;
}

function leadingTo(calls: readonly TapeCall[], ends: readonly Place[]): Set<Place> {
  const leading = new Set(ends);
  for (const call of [...calls].reverse())
    if (call.results.some((place) => leading.has(place))) for (const place of read(call)) leading.add(place);
  return leading;
}

/** What must be there so that each of `asked` is there or can be made anew by cheap calls, and what these make. */
function sourcesOf(
  producers: ReadonlyMap<Place, Step>,
  asked: readonly Place[],
): { readonly kept: ReadonlySet<Place>; readonly remade: ReadonlySet<Place> } {
  const [kept, remade] = [new Set<Place>(), new Set<Place>()];
  const open = [...asked];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    if (kept.has(place) || remade.has(place)) continue;
    const step = producers.get(place);
    if (!step?.rule.isCheap || step.call.writes) kept.add(place);
    else {
      remade.add(place);
      open.push(...step.call.inputs);
    }
  }
  return { kept, remade };
}
