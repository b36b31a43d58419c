import { writeFileAtomic } from "../../base/records/index.js";
import type { Module } from "../../models/nn/index.js";
import { type ProfileEvent, popRange, pushRange, startProfile, stopProfile } from "../../torch/index.js";
import type { RunObserver } from "../loop/observer.js";
import { wrapForwards } from "../steps/finite.js";
import type { StepRule } from "../steps/stepRule.js";

/** Steps that warm up before the recording, and steps that are recorded. */
const WARM_UP = 2;
const RECORDED = 5;

interface ProfilerOptions {
  readonly model: Module;
  /** The paths of the table (text) and of the trace, which Chrome and Perfetto open. */
  readonly table: string;
  readonly trace: string;
}

/**
 * Records a few training steps, and nothing between them: time by operator and by module as a table, and a Chrome trace. Both
 * are written after each recorded step, so that a run that ends early leaves them too.
 */
export function profiler(options: ProfilerOptions): RunObserver {
  wrapForwards(options.model, inRange);
  const events: ProfileEvent[] = [];
  let steps = 0;
  return {
    on(event, run) {
      if (event.event !== "step" || !run) return;
      steps += 1;
      if (steps >= WARM_UP && steps < WARM_UP + RECORDED) recordNextStep(run.rule, events);
      if (steps <= WARM_UP || steps > WARM_UP + RECORDED) return;
      writeFileAtomic(options.table, renderTable(events));
      writeFileAtomic(options.trace, JSON.stringify(chromeTrace(events)));
    },
  };
}

/** Opens a range around a module's forward pass, named by the module's path. */
function inRange(path: string, forward: () => unknown): unknown {
  pushRange(path);
  try {
    return forward();
  } finally {
    popRange();
  }
}

/** Adds the events of the rule's next step to `into`, with times that continue those of earlier steps. */
function recordNextStep(rule: StepRule, into: ProfileEvent[]): void {
  const { step } = rule;
  rule.step = () => {
    rule.step = step;
    startProfile();
    try {
      return step.call(rule);
    } finally {
      const offset = into.reduce(
        (end, { startMicros, durationMicros }) => Math.max(end, startMicros + durationMicros),
        0,
      );
      for (const event of stopProfile()) into.push({ ...event, startMicros: event.startMicros + offset });
    }
  };
}

/** Self time of operators in milliseconds. */
interface Share {
  readonly name: string;
  calls: number;
  milliseconds: number;
}

function renderTable(events: readonly ProfileEvent[]): string {
  const own = ownTimes(events);
  const operators = events.map((event, i) => [event, own[i]!] as const).filter(([event]) => event.kind !== "range");
  const byOperator = sumBy(operators, (event) => event.name);
  const byModule = sumBy(operators, (event) => (event.range ?? "(outside modules)").replace(/\.\d+(?=\.|$)/g, ".*"));
  return `${section("operator", byOperator)}\n${section("module, forward and backward", byModule)}`;
}

function sumBy(events: readonly (readonly [ProfileEvent, number])[], key: (event: ProfileEvent) => string): Share[] {
  const shares = new Map<string, Share>();
  for (const [event, micros] of events) {
    const name = key(event);
    const share = shares.get(name) ?? { name, calls: 0, milliseconds: 0 };
    share.calls += 1;
    share.milliseconds += micros / 1000;
    shares.set(name, share);
  }
  return [...shares.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}

function section(title: string, shares: readonly Share[]): string {
  const total = shares.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const lines = shares.map(
    ({ name, calls, milliseconds }) =>
      `${milliseconds.toFixed(2).padStart(12)}  ${((100 * milliseconds) / total).toFixed(1).padStart(5)} %  ${String(calls).padStart(7)}  ${name}`,
  );
  return `${"ms".padStart(12)}    share    calls  ${title}\n${lines.join("\n")}\n`;
}

/** Each event's duration without nested events; `events` are sorted by start time. */
function ownTimes(events: readonly ProfileEvent[]): Float64Array {
  const own = Float64Array.from(events, (event) => event.durationMicros);
  const open: number[] = [];
  for (const [i, event] of events.entries()) {
    open.length = Math.min(open.length, event.depth);
    const parent = open.at(-1);
    if (parent !== undefined) own[parent] = own[parent]! - event.durationMicros;
    open.push(i);
  }
  return own;
}

/** Chrome's trace event format: a complete event ("X") for each. */
function chromeTrace(events: readonly ProfileEvent[]): object {
  return {
    displayTimeUnit: "ms",
    traceEvents: events.map(({ name, kind, thread, startMicros, durationMicros, range, shapes }) => ({
      name,
      cat: kind,
      ph: "X",
      pid: 1,
      tid: thread,
      ts: startMicros,
      dur: durationMicros,
      args: { ...(range && { module: range }), ...(shapes && { shapes }) },
    })),
  };
}
