import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { abortAfter, bidora, fresh, json, list, run, SMALL } from "../support.js";

interface TraceEvent {
  name: string;
  cat: string;
  ph: string;
  pid: number;
  tid: number;
  ts: number;
  dur: number;
  args: { module?: string };
}

const traceIn = (folder: string) =>
  json<{ displayTimeUnit: string; traceEvents: TraceEvent[] }>(join(folder, "profile.json")).traceEvents;

/** How often the optimizer ran, which is once a step and level. */
const updates = (events: readonly TraceEvent[]): number =>
  events.filter(({ name }) => name === "bidora::adamw_").length;

/** A section of the table: milliseconds, share and calls by name. */
function section(table: string, title: string): Map<string, { ms: number; share: number; calls: number }> {
  const [, text] = table.split(`calls  ${title}\n`) as [string, string];
  const lines = text.split("\n\n")[0]?.trimEnd().split("\n") as string[];
  return new Map(
    lines.map((line) => {
      const [, ms, share, calls, name] = /^ *([\d.]+) +([\d.]+) % +(\d+) {2}(.+)$/.exec(line) as string[];
      return [name as string, { ms: Number(ms), share: Number(share), calls: Number(calls) }];
    }),
  );
}

const PROFILED = { method: "lora", dtype: "float32", profile: true } as const;

describe("the profile of a run", () => {
  let events: TraceEvent[];
  let operators: ReturnType<typeof section>;
  let modules: ReturnType<typeof section>;

  beforeAll(async () => {
    const targetModules = ["query", "dense"];
    const { output } = await run({ ...PROFILED, method: "dora", targetModules, maxSteps: 9 });
    events = traceIn(output);
    const table = readFileSync(join(output, "profile.txt"), "utf8");
    operators = section(table, "operator");
    modules = section(table, "module, forward and backward");
  });

  test("writes a table of operators and of the model's modules, with all layers of one kind in one line", () => {
    expect([...operators.keys()]).toEqual(
      expect.arrayContaining(["bidora::linear", "bidora::adamw_", "bidora::attention", "NllLossBackward0"]),
    );
    expect([...modules.keys()]).toEqual(
      expect.arrayContaining([
        "bert.embeddings.word_embeddings",
        "bert.encoder.layer.*.attention.self.query",
        "bert.encoder.layer.*.attention.self.key",
        "bert.encoder.layer.*.output.dense",
        "classifier",
        "(outside modules)",
      ]),
    );
  });

  test("gives each operator and each module its self time, sorted in descending order", () => {
    for (const shares of [operators, modules]) {
      const rows = [...shares.values()];
      expect(rows.map(({ ms }) => ms)).toEqual(rows.map(({ ms }) => ms).sort((a, b) => b - a));
      expect(Math.abs(rows.reduce((sum, { share }) => sum + share, 0) - 100)).toBeLessThan(0.1 * rows.length);
    }
    const total = (shares: typeof operators) => [...shares.values()].reduce((sum, { ms }) => sum + ms, 0);
    expect(Math.abs(total(operators) - total(modules))).toBeLessThan(0.01 * (operators.size + modules.size));
    const topmost = events.filter(({ cat }) => cat !== "range").filter(isTopmost());
    const spent = topmost.reduce((sum, { dur }) => sum + dur, 0) / 1000;
    expect(total(operators)).toBeLessThanOrEqual(spent + 0.01 * operators.size);
  });

  test("shows the adapters' operators under the layer that they adapt", () => {
    const inQuery = events.filter(({ args }) =>
      /^bert\.encoder\.layer\.\d+\.attention\.self\.query\b/.test(args.module ?? ""),
    );
    const names = new Set(inQuery.map(({ name }) => name));
    for (const name of ["bidora::low_rank_linear", "bidora::direction_gain"]) expect(names).toContain(name);
    const inKey = events.filter(({ args }) => args.module?.endsWith("attention.self.key"));
    expect(inKey.map(({ name }) => name)).not.toContain("bidora::low_rank_linear");
    expect(inQuery.some(({ cat }) => cat === "backward")).toBe(true);
  });

  test("writes a Chrome trace of complete, nested events of five steps", () => {
    for (const event of events) {
      expect(event).toMatchObject({ name: expect.any(String), ph: "X", pid: 1, tid: expect.any(Number) });
      expect(["operator", "backward", "range"]).toContain(event.cat);
      expect(event.ts).toBeGreaterThanOrEqual(0);
      expect(event.dur).toBeGreaterThanOrEqual(0);
    }
    const starts = events.map(({ ts }) => ts);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(updates(events) % 5).toBe(0);
    const forward = events.filter(({ name, cat }) => cat === "range" && name === "classifier");
    expect(forward).toHaveLength(5);
  });
});

/** Whether an event lies in none of those before it, which come in the order of their start. */
function isTopmost(): (event: TraceEvent) => boolean {
  let end = 0;
  return ({ ts, dur }) => {
    if (ts < end) return false;
    end = ts + dur;
    return true;
  };
}

const classifierCalls = (folder: string): number =>
  traceIn(folder).filter(({ name, cat }) => cat === "range" && name === "classifier").length;

test("records training steps only, however often the run evaluates", async () => {
  const { output } = await run({ ...PROFILED, maxSteps: 9, validation: SMALL.train, evalEvery: 1 });
  expect(classifierCalls(output)).toBe(5);
});

test("records the steps after the second in a short run", async () => {
  const { output } = await run({ ...PROFILED, maxSteps: 4 });
  expect(classifierCalls(output)).toBe(2);
  const { output: shorter } = await run({ ...PROFILED, maxSteps: 2 });
  expect(existsSync(join(shorter, "profile.txt"))).toBe(false);
});

test("records search and retraining, and a resumed run", async () => {
  const settings = { ...PROFILED, method: "bidora", maxSteps: 4, retrainSteps: 8 } as const;
  const { output } = await run(settings, abortAfter(4));
  const searched = updates(traceIn(output));
  expect(searched).toBeGreaterThan(0);
  await run({ ...settings, output, resume: true });
  expect(classifierCalls(output)).toBe(5);
});

test("the command takes --profile", async () => {
  const output = fresh("profiled");
  const flags = ["--method", "lora", "--max-steps", "3", "--batch-size", "4", "--output", output, "--quiet"];
  const { status, stderr } = await bidora(
    "finetune",
    "--model",
    SMALL.model,
    "--train",
    SMALL.train,
    ...flags,
    "--profile",
  );
  expect([status, stderr]).toEqual([0, ""]);
  expect(list(output)).toEqual(expect.arrayContaining(["profile.json", "profile.txt"]));
});
