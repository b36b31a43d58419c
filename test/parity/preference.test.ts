import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkSettings } from "../../src/base/settings/index.js";
import { savedTensors } from "../../src/models/adapters/index.js";
import { runOptions } from "../../src/tasks/config/index.js";
import { encodeExamples } from "../../src/tasks/index.js";
import type { PreferenceLossName } from "../../src/tasks/preference/losses.js";
import { preference } from "../../src/tasks/preference/preference.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { plansOf, prepare } from "../../src/training/run/prepare.js";
import { startOf } from "../../src/training/run/runInputs.js";
import { changed, jsonl } from "../e2e/support.js";
import { expectClose, GOLDEN, get, readJson, readTensors } from "./goldenFiles.js";

interface Tokens {
  readonly prompt_ids: readonly number[];
  readonly chosen_ids: readonly number[];
  readonly rejected_ids: readonly number[];
}

interface Golden {
  readonly pairs: readonly object[];
  readonly completions: readonly object[];
  readonly chats: readonly object[];
  readonly template: string;
  readonly tokens: Readonly<Record<"pairs" | "cut" | "chats", readonly Tokens[]>>;
  readonly cases: readonly {
    readonly name: string;
    readonly model: string;
    readonly method: "lora" | "dora";
    readonly loss: PreferenceLossName;
    readonly settings: object;
    readonly losses: readonly number[];
    readonly metrics: readonly Readonly<Record<string, number>>[];
  }[];
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
}

const ROOT = join(GOLDEN, "preference");
const golden = readJson<Golden>(join(ROOT, "golden.json"));
const after = readTensors(join(ROOT, "after.safetensors"));

describe("tokens", () => {
  const tokenizer = async () =>
    loadTokenizer(changed("llama/lm", "tokenizer_config.json", { chat_template: golden.template }));
  const encoded = async (rows: readonly object[], maxLength = 512) => {
    const { examples } = await preference.read(jsonl(...rows), {});
    return encodeExamples(preference, examples, await tokenizer(), { labels: undefined, maxLength });
  };

  test.each(["pairs", "chats"] as const)("of %s equal TRL's", async (kind) => {
    const rows = await encoded(golden[kind]);
    const expected = golden.tokens[kind].map(({ prompt_ids: prompt, chosen_ids: chosen, rejected_ids: rejected }) => ({
      ...{ prefix: prompt.length, lengths: [chosen.length, rejected.length] },
      inputIds: [...prompt, ...chosen, ...rejected],
    }));
    expect(rows).toMatchObject(expected);
  });

  test("are cut at the maximum length, and rows whose prompt fills it are left out, as by TRL", async () => {
    const rows = (await encoded(golden.pairs, 8)).filter((row) => !preference.isLeftOut!(row));
    expect(rows.map(({ prefix }) => prefix)).toEqual(golden.tokens.cut.map(({ prompt_ids: prompt }) => prompt.length));
    expect(rows.length).toBeLessThan(golden.pairs.length);
    for (const { prefix, lengths } of rows) expect(prefix + Math.max(...lengths)).toBeLessThanOrEqual(8);
    expect(rows.some(({ prefix, lengths }) => prefix + Math.max(...lengths) === 8)).toBe(true);
  });
});

/** Does the golden run's steps. @returns the losses, and the adapter */
async function trained(
  { model, method, loss, settings }: Golden["cases"][number],
  more: object = {},
  rows?: readonly object[],
) {
  const train = jsonl(...(rows ?? (loss === "kto" ? golden.completions : golden.pairs)));
  const { steps, batch, rate } = golden;
  const flags = checkSettings(runOptions, {
    ...{ model: join(GOLDEN, model, "lm"), adapter: join(ROOT, "adapters", `${model}-${method}`), method },
    ...{ task: "preference", loss, train, maxSteps: steps, batchSize: batch, shuffle: false, dtype: "float32" },
    ...{ learningRate: rate, warmupRatio: 0.3, weightDecay: 0.01, ...settings, ...more },
  });
  const prepared = await prepare(await startOf({ flags }));
  const rule = plansOf(prepared)[0]!.begin();
  const reports = Array.from({ length: steps }, () => torch.scope(() => rule.step()));
  const losses = reports.map((report) => report.loss);
  return { losses, metrics: reports.map((report) => report.metrics!), tensors: savedTensors(prepared.adapted) };
}

describe.each(golden.cases)("$name", (each) => {
  test("losses, what steps report, and the adapter after some steps equal TRL's", async () => {
    const { losses, metrics, tensors } = await trained(each);
    // TRL's are per token there.
    const isMean = each.loss === "orpo" || each.loss === "simpo";
    for (const [i, expected] of each.metrics.entries())
      for (const [name, value] of Object.entries(metrics[i]!))
        if (name in expected && !(isMean && name.startsWith("logps")))
          expect(Math.abs(value - expected[name]!), name).toBeLessThan(2e-5 * (1 + Math.abs(expected[name]!)));
    expect(Object.keys(metrics[0]!).length).toBeGreaterThan(1);
    // Both add log-probabilities in float32.
    for (const [i, loss] of losses.entries()) expect(loss / each.losses[i]!).toBeCloseTo(1, 4);
    expect(tensors.size).toBeGreaterThan(3);
    for (const [name, tensor] of tensors)
      expectClose(tensor, get(after, `${each.name}/base_model.model.${name}`), 1e-4, name);
  });
});

describe("a step in parts", () => {
  const of = (loss: string) => golden.cases.find(({ name }) => name === `llama/lora/${loss}`)!;

  test.each(["sigmoid", "kto", "orpo", "cpo"])("of %s: accumulated batches equal one large batch", async (loss) => {
    const rows = (loss === "kto" ? golden.completions : golden.pairs).slice(0, 4);
    const whole = await trained(of(loss), { batchSize: 4 }, rows);
    const parts = await trained(of(loss), { batchSize: 1, gradientAccumulation: 4 }, rows);
    for (const [i, each] of whole.losses.entries()) expect(parts.losses[i]! / each).toBeCloseTo(1, 5);
    for (const [name, tensor] of parts.tensors) expectClose(tensor, whole.tensors.get(name)!, 1e-5, name);
  });
});
