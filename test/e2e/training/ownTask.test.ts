import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../../src/app/commands/models/evaluate.js";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { predict } from "../../../src/app/commands/models/predict.js";
import { type NamedTask, TASKS } from "../../../src/tasks/index.js";
import { abortAfter, BERT, bytes, fresh, json, jsonl, readRows, run } from "../support.js";

/** Regression on the doubled label, which prints half of what the model gives. */
const halved: NamedTask = {
  kind: "halved",
  task: {
    ...TASKS.regression,
    async encode(examples, tokenizer, options) {
      const rows = await TASKS.regression.encode(examples as never, tokenizer, options);
      return rows.map((row) => ({ ...row, target: row.target && 2 * row.target }));
    },
    predict: ([outputs]) => ({ half: (outputs?.values[0] as number) / 2 }),
    reference: ({ label }) => label,
    scorer: () => ({
      main: "error",
      metric: {
        values: { error: { goal: "minimize" } },
        measure: (reference, prediction) => Math.abs((prediction as { half: number }).half - (reference as number)),
        result: (errors) => ({ error: (errors as number[]).reduce((a, b) => a + b, 0) / errors.length }),
      },
    }),
  },
};

const data = jsonl(...["cold rain", "a map", "the sea", "two fish"].map((text, i) => ({ text, label: i / 2 })));
const settings = { model: join(BERT, "no-prefix"), train: data, validation: data, dtype: "float32" } as const;

describe.each(["lora", "full"] as const)("a custom task trained by %s", (method) => {
  test("is evaluated, predicts, and is named in the run's files", async () => {
    const { output, metrics } = await run({ ...settings, method }, { task: halved });
    const own = method === "full" ? { model: output } : { model: settings.model, adapter: output };
    expect(json(join(output, "bidora.json"))).toMatchObject({ task: "halved", labels: ["value"] });
    const judged = await evaluate({ ...own, data, dtype: "float32" }, { task: halved });
    expect(judged.metrics.error).toBeCloseTo(metrics.error as number, 6);
    const predictions = fresh("predictions.jsonl");
    await predict({ ...own, input: data, output: predictions, dtype: "float32" }, { task: halved });
    expect(readRows(predictions).map((row) => Object.keys(row))).toEqual(Array(4).fill(["half"]));

    await expect(evaluate({ ...own, data })).rejects.toThrow(
      /for the task halved, which this version does not know: update bidora, or pass a custom task of that name\.$/,
    );
    const doubled = { ...halved, kind: "doubled" };
    await expect(evaluate({ ...own, data }, { task: doubled })).rejects.toThrow(/for (halved|doubled)/);
  });
});

test("a run of a custom task is resumed if given the task again", async () => {
  const all = { ...settings, method: "lora", saveEvery: 2 } as const;
  const whole = await run(all, { task: halved });
  const { output } = await run(all, { task: halved, ...abortAfter(2) });
  await expect(run({ ...all, output, resume: true })).rejects.toThrow(/task/);
  await run({ ...all, output, resume: true }, { task: halved });
  expect(bytes(output)).toBe(bytes(whole.output));
});

test("an adapter of a custom task can be trained further, given the task", async () => {
  const first = await run({ ...settings, method: "lora" }, { task: halved });
  const again = { ...settings, adapter: first.output };
  await expect(run(again)).rejects.toThrow(/Unknown task halved/);
  const { output } = await run(again, { task: halved });
  expect(json(join(output, "bidora.json"))).toMatchObject({ task: "halved" });
});

test("an adapter of a custom task can be merged and exported, given the task", async () => {
  const { output: adapter, metrics } = await run({ ...settings, method: "lora" }, { task: halved });
  const { model } = settings;
  const plain = fresh("merged");
  await expect(merge({ model, adapter, output: plain })).rejects.toThrow(/pass a custom task of that name/);
  await merge({ model, adapter, output: plain }, { task: halved });
  const exported = fresh("exported");
  await exportModel({ model, adapter, output: exported, to: "peft-lora" }, { task: halved });
  for (const own of [{ model: plain }, { model, adapter: exported }]) {
    const judged = await evaluate({ ...own, data, dtype: "float32" }, { task: halved });
    expect(judged.metrics.error).toBeCloseTo(metrics.error as number, 5);
  }
});

test("a custom task is refused together with --task, and under the name of a built-in task", async () => {
  await expect(run({ ...settings, task: "regression" }, { task: halved })).rejects.toThrow(
    "The settings name the task regression, but a custom task is given too: leave one out.",
  );
  for (const kind of ["regression", "glue/mrpc"])
    await expect(run(settings, { task: { ...halved, kind } })).rejects.toThrow(
      `${kind} is the name of a built-in task`,
    );
});
