import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkSettings } from "../../src/base/settings/index.js";
import { savedTensors } from "../../src/models/adapters/index.js";
import { runOptions } from "../../src/tasks/config/index.js";
import { encodeExamples } from "../../src/tasks/index.js";
import { reward } from "../../src/tasks/preference/reward.js";
import { loadTokenizer } from "../../src/text/index.js";
import * as torch from "../../src/torch/index.js";
import { plansOf, prepare } from "../../src/training/run/prepare.js";
import { startOf } from "../../src/training/run/runInputs.js";
import { changed, jsonl } from "../e2e/support.js";
import { expectClose, GOLDEN, get, readJson, readTensors } from "./goldenFiles.js";

interface Golden {
  readonly cases: readonly {
    readonly name: string;
    readonly model: string;
    readonly settings: object;
    readonly rows: readonly object[];
    readonly tokens: readonly (readonly [chosen: readonly number[], rejected: readonly number[]])[];
    readonly losses: readonly number[];
  }[];
  readonly steps: number;
  readonly batch: number;
  readonly rate: number;
}

const ROOT = join(GOLDEN, "preference");
const { cases, steps, batch, rate } = readJson<Golden>(join(ROOT, "reward.json"));
const after = readTensors(join(ROOT, "after_reward.safetensors"));

describe.each(cases)("$name", ({ name, model: folder, settings, rows, tokens, losses }) => {
  const model = changed(folder, "tokenizer_config.json", { eos_token: "[SEP]" });

  test("tokens equal TRL's", async () => {
    const { examples } = await reward.read(jsonl(...rows), {});
    const encoded = await encodeExamples(reward, examples, await loadTokenizer(model), {
      labels: undefined,
      maxLength: 48,
    });
    const whole = encoded.map(({ prefix, lengths, inputIds }) => {
      const [chosen = 0] = lengths;
      const ends = [inputIds.slice(prefix, prefix + chosen), inputIds.slice(prefix + chosen)];
      return ends.map((end) => [...inputIds.slice(0, prefix), ...end]);
    });
    expect(whole).toEqual(tokens);
  });

  test("losses and the adapter with its head after some steps equal TRL's", async () => {
    const flags = checkSettings(runOptions, {
      ...{ model, adapter: join(ROOT, "adapters", `${name.split("/")[0]}-reward`), method: "lora", task: "reward" },
      ...{ train: jsonl(...rows), maxSteps: steps, batchSize: batch, shuffle: false, dtype: "float32" },
      ...{ learningRate: rate, warmupRatio: 0.3, weightDecay: 0.01, ...settings },
    });
    const prepared = await prepare(await startOf({ flags }));
    const rule = plansOf(prepared)[0]!.begin();
    for (const loss of losses) expect(torch.scope(() => rule.step().loss) / loss).toBeCloseTo(1, 5);
    const tensors = savedTensors(prepared.adapted);
    expect([...tensors.keys()].some((key) => key.startsWith("score") || key.startsWith("classifier"))).toBe(true);
    // In a difference of rewards the head's bias cancels: its gradient is rounding, which Adam scales up.
    const isLearned = (key: string) => key !== "classifier.bias" || "centerRewards" in settings;
    for (const [key, tensor] of tensors)
      if (isLearned(key)) expectClose(tensor, get(after, `${name}/base_model.model.${key}`), 1e-4, key);
  });
});
