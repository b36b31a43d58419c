import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { bidora, comparisonFile, eventsIn, fresh, json } from "../support.js";

const settings = (...more: readonly string[]) =>
  comparisonFile("maxSteps: 3", "batchSize: 4", "dtype: float32", "threads: 1", ...more);

interface Result {
  readonly runs: readonly { readonly method: string }[];
  readonly methods: readonly string[];
  readonly failed: readonly {
    readonly task: string;
    readonly method: string;
    readonly seed: number;
    readonly code: string;
    readonly reason: string;
  }[];
  readonly unfinished: readonly object[];
  readonly tests: readonly { readonly a: string; readonly b: string; readonly test: string }[];
}

describe("a method whose runs diverge", () => {
  const output = fresh("diverging");
  const file = settings("methods: [lora, dora, full]", "seeds: [0, 1]", "perMethod: {dora: {learningRate: 1e30}}");
  const result = (folder = output) => json<Result>(join(folder, "comparison.json"));
  let printed: Awaited<ReturnType<typeof bidora>>;

  const expectTold = (found: Result) => {
    expect(found.methods).toEqual(["lora", "dora", "full"]);
    expect(found.failed.map(({ task, method, seed, code }) => [task, method, seed, code])).toEqual(
      [0, 1].map((seed) => ["sequence-classification", "dora", seed, "LOSS_NOT_FINITE"]),
    );
    for (const { reason } of found.failed) expect(reason).toMatch(/^Step \d+: The loss is not a number/);
    expect(found.unfinished).toEqual([]);
    expect(new Set(found.tests.map(({ a, b }) => `${a} ${b}`))).toEqual(new Set(["lora full"]));
    expect(new Set(found.tests.map((one) => one.test))).toEqual(new Set(["two-level", "wilcoxon", "bootstrap"]));
  };

  beforeAll(async () => {
    printed = await bidora("compare", file, "--output", output);
  }, 200_000);

  test("is in every table, with the reason, and the command fails", () => {
    expect([printed.status, printed.stderr]).toEqual([1, expect.stringContaining("2 of 6 runs failed")]);
    const markdown = readFileSync(join(output, "comparison.md"), "utf8");
    const latex = readFileSync(join(output, "comparison.tex"), "utf8");
    const report = readFileSync(join(output, "report.html"), "utf8");
    for (const text of [printed.stdout, markdown, latex, report]) {
      expect(text).toContain("failed 2 of 2");
      expect(text.replaceAll(/\s+/g, " ")).toMatch(
        /dora failed in 2 of 2 runs on .*Step \d+: The loss is not a number/,
      );
    }
    expectTold(result());
  });

  test("is so when it is gathered elsewhere, by the logs of its runs alone", async () => {
    const copy = fresh("gathered");
    cpSync(output, copy, { recursive: true });
    rmSync(join(copy, "comparison-failed.json"));
    expect((await bidora("compare", file, "--collect", "--output", copy)).status).toBe(0);
    expectTold(result(copy));
  }, 50_000);

  test("is so when the same command is called again, which does the others no harm", async () => {
    const again = await bidora("compare", file, "--output", output);
    expect([again.status, again.stdout]).toEqual([1, expect.stringContaining("failed 2 of 2")]);
    expectTold(result());
  }, 100_000);
});

test("a point of the grid that diverges has lost, and is not tried again", async () => {
  const output = fresh("diverging-grid");
  const file = settings("methods: [lora]", "grid: {learningRate: [1.0e+30, 1.0e-3]}");
  const { status, stderr } = await bidora("compare", file, "--output", output);
  expect([status, stderr]).toEqual([0, expect.stringMatching(/learningRate=1e\+30: failed: .*Step/)]);
  const folder = join(output, "sequence-classification/lora");
  expect(readFileSync(join(folder, "seed-0/run.yaml"), "utf8")).toContain("learningRate: 0.001\n");
  const point = join(folder, "grid/learningRate=1e+30");
  expect(eventsIn(point).at(-1)?.event).toBe("error");
  const listed = await bidora("compare", file, "--output", output, "--list");
  expect(listed.stdout.trim().split("\n")).toEqual([expect.stringContaining("lora/seed-0")]);
  const again = await bidora("compare", file, "--output", output);
  expect([again.status, again.stderr]).toEqual([0, expect.not.stringContaining("failed")]);
  expect(existsSync(join(point, "metrics.json"))).toBe(false);
}, 200_000);
