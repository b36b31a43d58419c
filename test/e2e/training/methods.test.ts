import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { inspect, renderInspection } from "../../../src/app/commands/models/inspect.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { ADAPTER_METHODS, type AdapterMethod, type AdapterMethodName } from "../../../src/models/adapters/index.js";
import { few } from "../../support/few.js";
import { abortAfter, bidora, bytes, evaluated, fresh, list, predicted, ROWS, run, SMALL } from "../support.js";

const methods = Object.entries(ADAPTER_METHODS) as [AdapterMethodName, AdapterMethod][];
const ROW_FILE = join(ROWS, "train.jsonl");
const rank = (method: AdapterMethod) => ("rank" in method.options ? { rank: 4 } : {});
const weightsIn = (folder: string) =>
  list(folder).find((name) => name.startsWith("adapter_model") || name === "bidora_adapter.safetensors")!;
const logits = (rows: Awaited<ReturnType<typeof predicted>>) => rows.flatMap((row) => row.logits);

describe.each(few(methods, 5))("--method %s", (name, method) => {
  test("trains, evaluates, predicts, is trained further and is merged", async () => {
    const { output, metrics, events } = await run({
      method: name,
      ...rank(method),
      validation: ROW_FILE,
      dtype: "float32",
    });
    const counts = events.find((event) => event.event === "start")!.parameters;
    expect(counts.trained).toBeGreaterThan(0);
    expect(counts.trained).toBeLessThan(counts.total);
    const { loss } = await evaluated({ model: SMALL.model, adapter: output, data: ROW_FILE });
    expect(loss).toBeCloseTo(metrics.loss!, 5);
    const rows = await predicted({ model: SMALL.model, adapter: output, input: ROW_FILE });

    const again = await run({ adapter: output, learningRate: 0, dtype: "float32" });
    expect(bytes(again.output, weightsIn(output))).toBe(bytes(output, weightsIn(output)));
    const merged = fresh("merged");
    const merging = merge({ model: undefined, revision: undefined, adapter: output, output: merged, overwrite: false });
    if (name === "adapter") {
      await expect(merging).rejects.toThrow(
        /^bert\.encoder\.layer\.0\.attention\.output\.dense is followed by a bottleneck, [^\n]+\.$/,
      );
      expect(existsSync(merged)).toBe(false);
      return;
    }
    await merging;
    expect(list(merged)).toEqual(expect.arrayContaining(["config.json", "model.safetensors"]));
    expect(list(merged).filter((file) => file.includes("adapter"))).toEqual([]);
    const plain = logits(await predicted({ model: merged, input: ROW_FILE }));
    const scale = Math.max(...plain.map(Math.abs));
    for (const [i, value] of logits(rows).entries()) expect(Math.abs(value - plain[i]!) / scale).toBeLessThan(1e-5);
  });

  test("resumes from a checkpoint with the same bits", async () => {
    const settings = { method: name, ...rank(method), dtype: "float32" } as const;
    const whole = await run(settings);
    const output = fresh();
    await run({ ...settings, output }, abortAfter(2));
    await run({ ...settings, output, resume: true });
    const file = weightsIn(whole.output);
    expect(bytes(output, file)).toBe(bytes(whole.output, file));
  });

  test("is named by inspect", async () => {
    const { output } = await run({ method: name, ...rank(method), maxSteps: 1 });
    const found = await inspect({ path: output });
    expect(found).toMatchObject({ settings: { method: name, task: "sequence-classification" }, refusals: [] });
    const text = renderInspection(found);
    expect(text).toMatch(new RegExp(`^method +${name}\\b`, "m"));
    if (name === "adapter") expect(text).toMatch(/^bottlenecks +of width 64, houlsby$/m);
  });

  test.each([
    ["rank", "4"],
    ["alpha", "3"],
    ["magnitude-axis", "in"],
    ["adapter-size", "3"],
    ["adapter-placement", "pfeiffer"],
    ["adalora-init-rank", "9"],
    ["adalora-tinit", "1"],
    ["adalora-tfinal", "1"],
    ["adalora-delta-t", "2"],
    ["adalora-orthogonal-weight", "0.1"],
    ["miss-mini-rank", "4"],
    ["delora-lambda", "3"],
  ])("accepts --%s if it has an effect", async (flag, value) => {
    const key = flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    const argv = ["finetune", "--model", SMALL.model, "--train", SMALL.train, "--max-steps", "1", "--method", name];
    const { status, stderr } = await bidora(...argv, `--${flag}`, value, "--output", fresh(), "--quiet");
    if (key in method.options) expect([status, stderr]).toEqual([0, ""]);
    else expect(stderr).toMatch(`No effect in this run: --${flag} (applies only with --method`);
  });
});
