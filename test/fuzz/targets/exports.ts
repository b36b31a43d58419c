// Options of exports and of other commands that write, and what they leave when they are refused.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { GOLDEN, workFolder } from "../files.js";
import { type Input, target } from "../target.js";

const MODELS = [
  "bert/single",
  "bert/tokens",
  "llama/lm",
  "embeddings/bert-mean",
  "deberta-v2/single",
  "text/roberta",
  "rows",
];
const ADAPTERS = [
  ...["lora", "dora", "vera", "ia3", "lora-b-bias", "lora-embedding"].map((name) => `bert/adapters/${name}`),
  ...["lm-miss", "lm-delora", "lm-hira"].map((name) => `rivals/llama/${name}`),
  "oft/adapters/oft",
  "prediag/adapters/prediag",
  "llama/adapters/lm-dora",
];
const odd = fc.constantFrom<Input>(
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  "",
  "x",
  [],
  {},
  ["x"],
  "\0",
  "../x",
  "constructor",
);

/** A setting that mostly is one of these values, is sometimes odd, and often is not given. */
const setting = (...values: readonly Input[]) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 5, arbitrary: fc.constantFrom(...values) },
    { weight: 1, arbitrary: odd },
  );

const at = (path: unknown): unknown =>
  typeof path === "string" && path.includes("/") && !path.startsWith(".") ? join(GOLDEN, path) : path;
const given = (settings: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

/** Runs a command that writes to `output`, which must not be there if it is refused. */
async function leavesNothing(run: (output: string) => Promise<unknown>): Promise<void> {
  const folder = join(workFolder(), "exports");
  rmSync(folder, { recursive: true, force: true });
  try {
    await run(join(folder, "output"));
  } catch (error) {
    if (existsSync(folder) && readdirSync(folder).length > 0)
      throw new Error(`the refused command left ${readdirSync(folder).join(", ")}: ${(error as Error).message}`);
    throw error;
  }
}

const exportsTarget = target({
  name: "export",
  inTests: 2,
  inputs: fc
    .record({
      model: setting(...MODELS),
      adapter: setting(...ADAPTERS),
      to: fc.oneof(fc.constantFrom<Input>("onnx", "onnx", "onnx", "gguf", "gguf-lora", "peft-lora"), odd),
      outtype: setting("f32", "f16", "bf16", "q8_0"),
      rank: setting(1, 2, 64),
      dtype: setting(["fp32"], ["fp16"], ["q8", "int8", "uint8"], ["q4", "q4f16", "bnb4"], ["fp32", "fp32"], ["q1"]),
      task: setting("feature-extraction"),
      data: setting("rows/train.jsonl", "rows/texts.jsonl", "rows/language.jsonl", "rows/tokens.jsonl"),
    })
    .map((settings) => given(settings) as { readonly [key: string]: Input }),
  run: (settings) =>
    leavesNothing((output) =>
      exportModel({
        ...settings,
        ...given({ model: at(settings.model), adapter: at(settings.adapter), data: at(settings.data) }),
        output,
      } as never),
    ),
});

const merges = target({
  name: "merge",
  inTests: 3,
  inputs: fc
    .record({
      model: setting(...MODELS),
      adapter: setting(...ADAPTERS),
      dtype: setting("float32", "bfloat16", "float16"),
    })
    .map((settings) => given(settings) as { readonly [key: string]: Input }),
  run: (settings) =>
    leavesNothing((output) =>
      merge({ ...settings, ...given({ model: at(settings.model), adapter: at(settings.adapter) }), output } as never),
    ),
});

export const exportTargets = [exportsTarget, merges];
