// What each command cannot do without: wrong usage, by name.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bidora, changed, fresh, ROWS, SMALL } from "../support.js";

const OUTPUT = fresh("missing.gguf");
const NO_MODEL = /^bidora: --model is missing: give a local folder or a Hub repository, or an --adapter that names/;
const NO_MODEL_OF_RUN = /^bidora: --model is missing: give a local folder or a Hub repository\.$/m;
const FINETUNE = ["--task", "sequence-classification", "--train", SMALL.train];

describe("missing settings", () => {
  test.each<readonly [string, readonly string[], RegExp]>([
    ["generate", ["--prompt", "a"], NO_MODEL],
    ["generate", ["--chat"], NO_MODEL],
    ["predict", ["--input", SMALL.train, "--output", OUTPUT], NO_MODEL],
    ["evaluate", ["--data", SMALL.train], NO_MODEL],
    ["mine", ["--input", SMALL.train, "--output", OUTPUT], NO_MODEL],
    ["mine", ["--output", OUTPUT], /^bidora: --input is missing/],
    ["mine", ["--input", SMALL.train], /^bidora: --output is missing/],
    ["export", ["--to", "gguf", "--output", OUTPUT], NO_MODEL],
    ["export", ["--to", "gguf-lora", "--output", OUTPUT], /^bidora: --adapter is missing/],
    ["export", ["--to", "peft-lora", "--output", OUTPUT], /^bidora: --adapter is missing/],
    ["export", [], /^bidora: --to is missing: take peft-lora/],
    ["merge", ["--output", OUTPUT], /^bidora: --adapter is missing/],
    ["finetune", FINETUNE, NO_MODEL_OF_RUN],
    ["preview", FINETUNE, NO_MODEL_OF_RUN],
    ["estimate", FINETUNE, NO_MODEL_OF_RUN],
    ["verify-hypergradient", FINETUNE, NO_MODEL_OF_RUN],
    ["compare", [...FINETUNE, "--methods", "lora", "--output", OUTPUT], NO_MODEL_OF_RUN],
    ["compare", [...FINETUNE, "--methods", "lora", "--output", OUTPUT, "--list"], NO_MODEL_OF_RUN],
    ["compare", [...FINETUNE, "--methods", "lora", "--output", OUTPUT, "--dry-run"], NO_MODEL_OF_RUN],
    ["inspect", [], /^bidora: The path of a model or an adapter is missing/],
    ["analyze", [], /^bidora: The run is missing/],
    ["report", [], /^bidora: The run is missing/],
    ["download", [], /^bidora: The repository, like org\/name, is missing/],
  ])("%s %j", async (command, argv, message) => {
    const { status, stderr } = await bidora(command, ...argv);
    expect(stderr).toMatch(message);
    expect([status, stderr.trimEnd().split("\n").length, existsSync(OUTPUT)]).toEqual([2, 1, false]);
  });

  test.each([
    ["generate", "llama/adapters/lm-lora", ["--prompt", "a"]],
    ["predict", "bert/adapters/dora", ["--input", join(ROWS, "train.jsonl"), "--output", OUTPUT]],
    ["merge", "bert/adapters/dora", ["--output", OUTPUT]],
  ] as const)(
    "%s: an adapter that does not name its base model leaves --model to give",
    async (command, source, argv) => {
      const adapter = changed(source, "adapter_config.json", { base_model_name_or_path: undefined });
      const { status, stderr } = await bidora(command, "--adapter", adapter, ...argv);
      expect(stderr).toMatch(
        /^bidora: --model is missing, and the adapter does not name its base model: give a local folder/,
      );
      expect([status, existsSync(OUTPUT)]).toEqual([2, false]);
    },
  );
});
