import { expect, test } from "vitest";
import { type RunSettings, settle, withFound } from "../../../src/tasks/config/index.js";
import { mergeSources, SOURCES, type Sources } from "../../../src/tasks/config/run.js";

test("each source takes precedence over those after it, and leaves other settings to them", () => {
  const all = Object.fromEntries(SOURCES.map((source, i) => [source, { rank: i + 1 }])) as Sources;
  const rest: Record<string, RunSettings> = { ...all };
  for (const [i, source] of SOURCES.entries()) {
    expect(mergeSources(rest)).toEqual({ rank: i + 1 });
    expect(mergeSources({ ...rest, [source]: { rank: undefined } })).toEqual(
      i < SOURCES.length - 1 ? { rank: i + 2 } : {},
    );
    delete rest[source];
  }
});

test("a run takes settings from what is found, flags, file, adapter, other settings and defaults, in this order", () => {
  const flags = { model: "m", alpha: 1 };
  const file = { model: "other", alpha: 2, rank: 3 };
  const adapter = { alpha: 4, rank: 5, dropout: 0.5, normGradient: "detached" } as const;
  const run = settle({ flags, file, adapter });
  expect(run).toMatchObject({ model: "m", alpha: 1, rank: 3, dropout: 0.5, normGradient: "detached", batchSize: 32 });
  expect(run.given).toEqual({ model: "m", alpha: 1, rank: 3 });
  expect(settle({ flags: { ...flags, method: "bidora" } }).normGradient).toBe("full");

  const found = withFound(run, { dtype: "bfloat16", alpha: 9, rank: undefined, task: "regression" });
  expect(found).toMatchObject({ dtype: "bfloat16", alpha: 9, rank: 3, task: "regression" });
  expect(found.given).toEqual(run.given);
  // It had been settled before anything was read, and is where the results go.
  expect(found.output).toBe("runs/run-lora");
});
