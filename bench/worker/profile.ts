import { type ProfileEvent, startProfile, stopProfile } from "../../src/torch/index.js";
import type { Answers, ProfileRow } from "../turns/protocol.js";
import type { Work } from "./work.js";

type Pass = ProfileRow["pass"];

/** Where a step's time goes: by outermost operator or backward node, and by each operator's self time. */
export async function profile(work: Work, count: number): Promise<Answers["profile"]> {
  startProfile();
  const began = performance.now();
  for (let i = 0; i < count; i++) await work();
  const seconds = (performance.now() - began) / 1000 / count;
  const events = stopProfile();
  return { seconds, ...tables(events, count) };
}

interface Open {
  readonly event: ProfileEvent;
  readonly pass: Pass;
  readonly isOutermost: boolean;
  children: number;
}

function tables(events: readonly ProfileEvent[], count: number): { nodes: ProfileRow[]; kernels: ProfileRow[] } {
  const nodes = new Sums(count);
  const kernels = new Sums(count);
  const stack: Open[] = [];
  const close = () => {
    const { event, pass, isOutermost, children } = stack.pop() as Open;
    const parent = stack.at(-1);
    if (parent) parent.children += event.durationMicros;
    kernels.add(event.name, pass, event.durationMicros - children);
    if (isOutermost) nodes.add(event.name, pass, event.durationMicros);
  };
  for (const event of events) {
    while (stack.length > event.depth) close();
    stack.push({ event, pass: passOf(event, stack), isOutermost: stack.length === 0, children: 0 });
  }
  while (stack.length) close();
  return { nodes: nodes.rows(), kernels: kernels.rows() };
}

/** Operators inside a backward node belong to the backward pass; outside of one, in-place and multi-tensor operators belong to the optimizer. */
function passOf(event: ProfileEvent, stack: readonly Open[]): Pass {
  const parent = stack.at(-1);
  if (parent) return parent.pass;
  if (event.kind === "backward") return "backward";
  return /foreach|adamw|total_norm|scaled|clip|norm_/.test(event.name) ? "optimizer and others" : "forward";
}

class Sums {
  readonly #sums = new Map<string, { name: string; pass: Pass; calls: number; micros: number }>();

  constructor(readonly count: number) {}

  add(name: string, pass: Pass, micros: number): void {
    const key = `${pass} ${name}`;
    const sum = this.#sums.get(key) ?? { name, pass, calls: 0, micros: 0 };
    sum.calls += 1;
    sum.micros += micros;
    this.#sums.set(key, sum);
  }

  rows(): ProfileRow[] {
    return [...this.#sums.values()]
      .sort((a, b) => b.micros - a.micros)
      .map(({ name, pass, calls, micros }) => ({
        name,
        pass,
        calls: calls / this.count,
        milliseconds: micros / 1000 / this.count,
      }));
  }
}
