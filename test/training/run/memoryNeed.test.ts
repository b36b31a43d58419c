import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import type { ModelConfig } from "../../../src/models/index.js";
import { type RunSettings, resolveRun } from "../../../src/tasks/config/index.js";
import { memoryOf } from "../../../src/torch/devices/memory.js";
import { MemoryNeed, settingsThatFit } from "../../../src/training/run/memoryNeed.js";
import { prepare } from "../../../src/training/run/prepare.js";
import { run, SMALL } from "../../e2e/support.js";

const memory = { available: Number.MAX_SAFE_INTEGER };
const free = vi.spyOn(memoryOf("cpu"), "free").mockImplementation(() => memory.available);
afterEach(() => {
  memory.available = Number.MAX_SAFE_INTEGER;
});
afterAll(() => free.mockRestore());

async function needOf(settings: RunSettings) {
  const config = resolveRun({ ...SMALL, dtype: "float32", batchSize: 8, ...settings });
  const prepared = await prepare({ config, saved: undefined, adapterFolder: undefined });
  return { need: new MemoryNeed(prepared), ...prepared };
}

describe("the lower bound of a run's memory", () => {
  it("is weights, trained tensors with gradients and optimizer state, and activations for the backward pass", async () => {
    const { need, loaded, adapted, data } = await needOf({ method: "lora", targetModules: "all-linear" });
    const trained = adapted.trained.reduce((sum, { tensor }) => sum + tensor.numel, 0);
    const all = [...loaded.model.namedParameters()].reduce((sum, [, { tensor }]) => sum + tensor.numel, 0);
    // Of all layers but the last: query, key, value, two dense layers of H, one of I.
    const { layers, ...layer } = loaded.model.config as ModelConfig & { intermediateSize: number };
    const widths = (layers - 1) * (5 * layer.hiddenSize + layer.intermediateSize);
    const lengths = data.train.map(({ inputIds }) => inputIds.length).toSorted((a, b) => a - b);
    const batches = [0, 8, 16].map((start) => lengths.slice(start, start + 8).reduce((a, b) => a + b, 0));
    const tokens = Math.max(...batches);
    // Tensor, gradient, start, and AdamW's two numbers.
    for (const [dtype, bytes] of [
      ["float32", 4],
      ["bfloat16", 2],
    ] as const)
      expect(need.with({ dtype })).toBe(bytes * (all - trained) + 20 * trained + bytes * tokens * widths);
    expect(need.with()).toBe(need.with({ dtype: "float32" }));
  });

  it("is lower with smaller batches, gradient checkpointing, bfloat16, or an optimizer with less state", async () => {
    const { need } = await needOf({ method: "full" });
    const whole = need.with();
    for (const change of [{ batchSize: 1 }, { gradientCheckpointing: true }, { dtype: "bfloat16" } as const])
      expect(need.with(change)).toBeLessThan(whole);
    const { need: sgd } = await needOf({ method: "full", optimizer: "sgd", momentum: 0 });
    expect(sgd.with()).toBeLessThan(whole);
  });

  it("counts a state in 8 bits by its bytes: two for a trained number, and two scales for 256", async () => {
    const lora = { method: "lora", targetModules: ["query", "value"], rank: 128 } as const;
    const [{ need: own, adapted }, { need: float }] = await Promise.all([
      needOf({ ...lora, optimizer: "adamw8bit" }),
      needOf(lora),
    ]);
    const saved = adapted.trained.map(({ tensor: { numel } }) =>
      numel < 4096 ? 0 : 6 * numel - 8 * Math.ceil(numel / 256),
    );
    expect(saved.filter((bytes) => bytes > 0).length).toBeGreaterThan(3);
    expect(float.with() - own.with()).toBe(saved.reduce((sum, bytes) => sum + bytes, 0));
  });

  it("counts the state of embedding tables by their floats, with a state in 8 bits too", async () => {
    const [{ need: own, adapted }, { need: float }] = await Promise.all([
      needOf({ method: "full", optimizer: "adamw8bit" }),
      needOf({ method: "full" }),
    ]);
    const large = adapted.trained.filter(({ tensor }) => tensor.numel >= 4096);
    expect(large.map(({ name }) => name)).toEqual(["bert.embeddings.word_embeddings.weight"]);
    expect(own.with()).toBe(float.with());
  });

  it("leaves out layers below the lowest trained one", async () => {
    const { need: last } = await needOf({ method: "lora", targetModules: "encoder.layer.2.attention.self.query" });
    const { need: all } = await needOf({ method: "lora" });
    expect(last.with({ batchSize: 1 }) - last.with()).toBe(0);
    expect(all.with()).toBeGreaterThan(all.with({ batchSize: 1 }));
  });
});

describe("the suggestion of what fits", () => {
  it("follows from the same bound, the largest batch first", async () => {
    const { need, config } = await needOf({ method: "lora", gradientAccumulation: 2 });
    for (const batchSize of [4, 2, 1]) {
      const available = need.with({ batchSize });
      const flags = settingsThatFit(need, config, available);
      expect(flags).toContain(`--batch-size ${batchSize} with --gradient-accumulation ${16 / batchSize}`);
    }
    expect(settingsThatFit(need, config, need.with({ gradientCheckpointing: true }))).toContain(
      "--gradient-checkpointing",
    );
  });

  it("combines several changes if none alone is enough, and is empty if all together are not", async () => {
    const { need, config } = await needOf({ method: "lora" });
    const least = { dtype: "bfloat16", gradientCheckpointing: true, batchSize: 1 } as const;
    const all = "--dtype bfloat16 and --gradient-checkpointing and --batch-size 1 with --gradient-accumulation 8";
    expect(settingsThatFit(need, config, need.with(least))).toBe(all);
    const packed = { ...least, baseDtype: "nf4" } as const;
    expect(settingsThatFit(need, config, need.with(packed))).toBe(`--base-dtype nf4 and ${all}`);
    expect(settingsThatFit(need, config, need.with(packed) - 1)).toBeUndefined();
  });

  it("is --base-dtype nf4 where that alone is enough, counted as the run then holds its weights", async () => {
    const { need, config } = await needOf({ method: "lora" });
    const { need: packed } = await needOf({ method: "lora", baseDtype: "nf4" });
    expect(need.with({ baseDtype: "nf4" })).toBe(packed.with());
    expect(packed.with()).toBeLessThan(need.with());
    expect(settingsThatFit(need, config, packed.with())).toMatch(/(^|, or )--base-dtype nf4$/);
    expect(settingsThatFit(need, config, packed.with() - 1)).not.toMatch(/--base-dtype nf4$/);
  });

  it("is no format for a base that has one, or a dtype of its own, or is trained itself", async () => {
    for (const settings of [
      { method: "lora", baseDtype: "fp4" },
      { method: "lora", baseDtype: "float32" },
      { method: "full" },
    ] as const) {
      const { need, config } = await needOf(settings);
      const least = { gradientCheckpointing: true, dtype: "bfloat16", batchSize: 1 } as const;
      const bytes = need.with({ ...least, baseDtype: "nf4" });
      expect(settingsThatFit(need, config, bytes) ?? "").not.toContain("base-dtype");
    }
  });

  it("names no setting that is on already, nor bfloat16 if all weights are trained", async () => {
    const { need, config } = await needOf({ method: "full", gradientCheckpointing: true });
    const flags = settingsThatFit(need, config, need.with({ batchSize: 1 }));
    expect(flags).toBe("--batch-size 1 with --gradient-accumulation 8");
    expect(settingsThatFit(need, config, need.with({ dtype: "bfloat16" }))).not.toContain("dtype");
  });
});

describe("finetune with too little memory", () => {
  const settings = { method: "lora", dtype: "float32", batchSize: 8, maxSteps: 1 } as const;

  it("warns before a run that won't fit, and trains nevertheless", async () => {
    const { need } = await needOf({ ...settings, targetModules: undefined });
    memory.available = need.with({ batchSize: 4 });
    const { notes, events } = await run(settings);
    const [note, ...more] = notes.filter((line) => line.includes("available"));
    expect(note).toMatch(
      /^This run needs at least .* of memory, and .* are available: it fits with --batch-size 4 with --gradient-accumulation 2/,
    );
    expect(more).toEqual([]);
    expect(events.some(({ event }) => event === "done")).toBe(true);
  });

  it("prints no warning if there is enough", async () => {
    const { need } = await needOf(settings);
    memory.available = need.with();
    expect((await run(settings)).notes.filter((line) => line.includes("available"))).toEqual([]);
  });

  it("refuses weights that exceed the available memory by themselves", async () => {
    memory.available = 10_000;
    const sentence = /^The model .* takes .* of memory, but 0 MiB are available: check config\.json/;
    await expect(run(settings)).rejects.toThrow(sentence);
  });

  it("advises to pack weights that then fit", async () => {
    const { loaded } = await needOf({ ...settings, baseDtype: "nf4" });
    const parameters = [...loaded.model.baseParameters()];
    memory.available = parameters.reduce((sum, [, { values }]) => sum + values.bytes, 0);
    await expect(run(settings)).rejects.toThrow(/ are available: pack its matrices \(--base-dtype nf4\)\.$/);
    const full = run({ ...settings, method: "full" });
    await expect(full).rejects.toThrow("check config.json, or take a smaller model");
    memory.available -= 1;
    await expect(run(settings)).rejects.toThrow("check config.json, or take a smaller model");
  });
});
