import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readAdapter, writeAdapter } from "../../src/adapters/index.js";
import { readTensors } from "../parity/goldenFiles.js";
import { BERT, evaluated, fresh, json, ROWS, run } from "./support.js";

const TRAIN = join(ROWS, "train.jsonl");

describe("a head that is drawn when a run starts from an adapter without one", () => {
  const bare = { model: join(BERT, "no-prefix"), task: "sequence-classification" } as const;

  /** An adapter of another program for a bare encoder, with no more of a head than `kept`. */
  async function adapterWith(kept: readonly string[]): Promise<string> {
    const { output } = await run({ ...bare, method: "dora", maxSteps: 1 });
    const { side: _side, ...saved } = await readAdapter(output);
    const isKept = (name: string) => name.includes(".lora_") || kept.some((module) => name.startsWith(module));
    const folder = fresh("adapter");
    mkdirSync(folder);
    writeAdapter(folder, {
      ...saved,
      config: { ...saved.config, modulesToSave: kept },
      tensors: new Map([...saved.tensors].filter(([name]) => isKept(name))),
      side: undefined,
    });
    return folder;
  }

  test.each([
    ["nothing of it", []],
    ["the classifier alone", ["classifier"]],
  ] as const)("is trained, saved and used: %s", async (_, kept) => {
    const adapter = await adapterWith(kept);
    for (const method of ["dora", "bidora"] as const) {
      const [begun, trained] = [
        await run({ ...bare, adapter, method, maxSteps: 1, learningRate: 0, retrainSteps: 0 }),
        await run({ ...bare, adapter, method, validation: TRAIN, dtype: "float32" }),
      ];
      expect(json<{ modules_to_save: string[] }>(join(trained.output, "adapter_config.json")).modules_to_save).toEqual(
        kept.length ? ["classifier", "bert.pooler"] : ["bert.pooler", "classifier"],
      );
      const [before, after] = [begun, trained].map(({ output }) =>
        readTensors(join(output, "adapter_model.safetensors")),
      );
      for (const name of ["bert.pooler.dense.weight", "classifier.weight"]) {
        const key = `base_model.model.${name}`;
        expect(after!.get(key)!.toArray()).not.toEqual(before!.get(key)!.toArray());
      }
      const measured = await evaluated({ ...bare, adapter: trained.output, data: TRAIN });
      expect(measured.loss).toBeCloseTo(trained.metrics.loss as number, 5);
      expect(trained.notes.join()).toContain(kept.length ? "(bert.pooler.dense)" : "(bert.pooler.dense, classifier)");
    }
  });

  test("is not told where the adapter brings it", async () => {
    const { output } = await run({ ...bare, method: "dora", maxSteps: 1 });
    const again = await run({ ...bare, adapter: output, maxSteps: 1 });
    expect(again.notes).toEqual([]);
  });
});
