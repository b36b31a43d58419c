import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { reutersFolder } from "../../tasks/datasets/reutersFolder.js";
import { BERT, bidora, evaluated, fresh, jsonl, list, run } from "../support.js";

const MODEL = join(BERT, "no-prefix");
const reuters = reutersFolder(
  { names: ["grain"] },
  { names: ["gold"] },
  { names: [] },
  { names: ["gold", "grain"] },
  { lewis: "TEST", names: ["gold"] },
  { lewis: "TEST", names: ["sfr"] },
);
const asked = { model: MODEL, task: "reuters21578/modapte", train: undefined, data: reuters } as const;
const small = { method: "lora", maxSteps: 1, batchSize: 2 } as const;
const namesOf = (metrics: object) => Object.keys(metrics).sort();

describe("a named data set without validation rows", () => {
  test("gives a run its test rows, restricted to topics of the training rows", async () => {
    const { metrics, events } = await run({ ...asked, ...small });
    expect(events[0]).toMatchObject({ rows: { train: 4, test: 2 } });
    expect((events[0] as { rows: object }).rows).not.toHaveProperty("validation");
    expect(namesOf(metrics).every((name) => name.startsWith("test_"))).toBe(true);
    expect(namesOf(metrics)).toContain("test_microF1");
  });

  test("accepts other test rows in their place, or none", async () => {
    const file = jsonl({ text: "Gold up.", labels: ["gold"] });
    const given = await run({ ...asked, ...small, validation: file });
    expect(given.events[0]).toMatchObject({ rows: { train: 4, validation: 1, test: 2 } });
    const own = await run({ ...asked, ...small, test: file });
    expect(own.events[0]).toMatchObject({ rows: { train: 4, test: 1 } });
    const train = jsonl({ text: "Gold up.", labels: ["gold"] }, { text: "Grain down.", labels: ["grain"] });
    const test = await run({ ...asked, ...small, train, validation: file, testSplit: true });
    expect(test.events[0]).toMatchObject({ rows: { train: 2, validation: 1, test: 2 } });
    const none = await run({ ...asked, ...small, testSplit: false });
    expect((none.events[0] as { rows: object }).rows).toEqual({ train: 4 });
  });

  test("is evaluated on its test rows by default, and on any split it has", async () => {
    const { output } = await run({ ...asked, ...small, method: "lora" });
    const use = { model: MODEL, adapter: output, task: asked.task, data: reuters } as const;
    expect(await evaluated(use)).toEqual(await evaluated({ ...use, split: "test" }));
    expect(await evaluated({ ...use, split: "train" })).not.toEqual(await evaluated(use));
    const flags = ["--model", MODEL, "--adapter", output, "--task", asked.task, "--data", reuters];
    const { status, stderr } = await bidora("evaluate", ...flags, "--split", "validation");
    expect(stderr).toMatch(
      /reuters21578\/modapte has no labeled validation rows in .*, so --split validation can't be used: it has train and test\./,
    );
    expect(status).toBe(2);
  });
});

describe("a named data set without labeled test rows", () => {
  let folder: string;
  beforeAll(() => {
    folder = fresh("CoLA");
    mkdirSync(folder);
    for (const name of ["train", "dev"]) writeFileSync(join(folder, `${name}.tsv`), "a\t1\t\tone\na\t0\t*\ttwo\n");
    writeFileSync(join(folder, "test.tsv"), "index\tsentence\n0\tthree\n");
  });

  test("gives a run only its validation rows", async () => {
    const { metrics, events } = await run({
      ...small,
      model: MODEL,
      task: "glue/cola",
      train: undefined,
      data: folder,
    });
    expect((events[0] as { rows: object }).rows).toEqual({ train: 2, validation: 2 });
    expect(namesOf(metrics)).toEqual(["loss", "matthewsCorrelation"]);
  });

  test.each([
    ["--test-split", ["--test-split"]],
    ["--no-test-split", ["--no-test-split"]],
  ])("refuses %s", async (_, flags) => {
    const output = fresh();
    const base = ["--model", MODEL, "--task", "glue/cola", "--data", folder, "--output", output];
    const { status, stderr } = await bidora("finetune", ...base, ...flags);
    expect(stderr).toMatch(/-test-split \(applies only with --data and a named data set/);
    expect(status).toBe(2);
    expect(list(output)).toEqual([]);
  });

  test("refuses to evaluate on unlabelled test rows", async () => {
    const model = join(BERT, "single");
    const base = ["--model", model, "--task", "glue/cola", "--data", folder, "--split", "test"];
    const { status, stderr } = await bidora("evaluate", ...base);
    expect(stderr).toMatch(/glue\/cola has no labeled test rows in .*: it has train and validation\./);
    expect(status).toBe(2);
  });
});

test("--test-split with --test is refused, and so is a --data that nothing reads", async () => {
  const file = jsonl({ text: "Gold up.", labels: ["gold"] });
  const base = ["--model", MODEL, "--task", asked.task, "--data", reuters, "--output", fresh()];
  const beside = await bidora("finetune", ...base, "--test", file, "--test-split");
  expect(beside.stderr).toMatch(/-test-split \(applies only .* without --test\)/);
  const idle = await bidora("finetune", ...base, "--train", file, "--validation", file);
  expect(idle.stderr).toMatch(/--data \(applies only .* unless --train and --validation replace all its rows\)/);
  expect([beside.status, idle.status]).toEqual([2, 2]);
});
