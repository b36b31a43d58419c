// Every function of the library with arguments of the wrong kind: one sentence on what was expected and what came.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../../src/base/errors.js";
import * as library from "../../../src/index.js";
import { resolveRun } from "../../../src/tasks/config/index.js";
import { GOLDEN } from "../support.js";

/** An argument: one that passes, those that do not, and whether it may be left out. */
interface Argument {
  readonly good: unknown;
  readonly wrong: readonly unknown[];
}

const required = ({ good, wrong }: Argument): Argument => ({ good, wrong: [undefined, ...wrong] });
const text = (good: string): Argument => required({ good, wrong: [null, 7, "", {}, ["a"]] });
const object = (good: object): Argument => required({ good, wrong: [null, 7, "one", [], {}] });
const anyObject = required({ good: {}, wrong: [null, 7, "one", []] });
const list = (...good: unknown[]): Argument => required({ good, wrong: [null, 7, "one", {}, [7], [null]] });
const options = (good: object = {}): Argument => ({
  good,
  wrong: [null, 7, "one", [], { signall: 1 }, { ...good, onNote: 1 }],
});
const hooks: Argument = { good: {}, wrong: [null, 7, "one", [], { singal: 1 }] };
const settings: Argument = { good: {}, wrong: [null, 7, "one", [], { modell: "m" }, { model: 7 }] };

/** Settings of a run, which are checked before any file is read. */
const run: Argument = { good: {}, wrong: [...settings.wrong, {}, { model: "m", rank: "8" }, { model: "m", rnak: 8 }] };

const nothing = () => {};
const model = object({ forward: nothing, config: {}, namedParameters: nothing });
const adapted = object({ model: {}, modules: [], trained: [] });
const adapterConfig = object({ method: "lora", targetModules: "all-linear" });
const task = object(library.sequenceClassification);
const row = { inputIds: [1], tokenTypeIds: [0] };
const batch = object({ examples: [row], inputIds: {} });
const folder = join(GOLDEN, "bert", "single");
const built = { head: {}, outputs: 1, dtype: "float32", generator: {} };
const loadRows = options({ labels: "optional" });
const lowRank = (...wrong: unknown[]): Argument => ({
  good: {},
  wrong: [null, 7, "one", [], { rnak: 8 }, { rank: "8" }, { bias: "lora_only" }, ...wrong],
});

/** The arguments of each function. */
const CALLS: Readonly<Record<string, readonly Argument[]>> = {
  analyze: [{ good: { runs: ["run"] }, wrong: [...settings.wrong, { runs: [7] }] }, hooks],
  attachAdapter: [model, object({ config: {}, tensors: new Map() }), object({ generator: {} })],
  batchOf: [list(row)],
  compare: [{ ...settings, wrong: [...settings.wrong, { seeds: 1.5 }, { runFile: "" }] }, hooks],
  config: [run, hooks],
  doraConfig: [lowRank({ axis: 1 }, { axis: "output" }, { normGradient: "half" })],
  eject: [adapted],
  encodeExamples: [
    object({ encode: nothing }),
    list({ input: {}, at: {} }),
    object({ encodeBatch: nothing }),
    options(),
  ],
  estimate: [run, hooks],
  evaluate: [{ ...settings, wrong: [...settings.wrong, { batchSize: "8" }] }, hooks],
  evaluateRows: [model, list(row), options({ task: library.regression, labels: [], batchSize: 1 })],
  exportModel: [settings, hooks],
  finetune: [run, hooks],
  generate: [settings, hooks],
  inject: [model, adapterConfig, object({ generator: {} })],
  inspect: [{ ...settings, wrong: [null, 7, "one", [], {}, { pathh: "m" }, { path: 7 }] }],
  serve: [{ ...settings, wrong: [...settings.wrong, { port: "80" }, { adapter: 7 }] }, hooks],
  load: [{ ...settings, wrong: [...settings.wrong, { dtype: "float23" }] }, hooks],
  loadLanguage: [text("rows.jsonl"), loadRows],
  loadModel: [
    text(folder),
    {
      good: built,
      wrong: [
        ...options(built).wrong,
        { ...built, dtype: "float23" },
        { ...built, masterDtype: "float23" },
        { ...built, device: 1 },
      ],
    },
  ],
  loadQuestions: [text("rows.json"), loadRows],
  loadTexts: [text("rows.jsonl"), object({ read: library.readName }), loadRows],
  loadTokenizer: [text(folder)],
  loadWords: [text("rows.conll"), loadRows],
  loraConfig: [lowRank({ targetModules: 1 }, { rank: Number.NaN })],
  lossSum: [task, model, batch, anyObject],
  lossWeight: [task, batch],
  merge: [settings, hooks],
  mergedParameters: [adapted],
  modelInput: [list(row)],
  openCheckpoint: [text(folder)],
  mine: [settings, hooks],
  predict: [settings, hooks],
  preview: [{ ...run, wrong: [...run.wrong, { model: "m", limit: 0 }] }, hooks],
  readAdapter: [text(folder)],
  readName: [object({ file: "f" }), object({ values: {}, line: 1 }), required({ good: "label", wrong: [null, 7, {}] })],
  readNumber: [
    object({ file: "f" }),
    object({ values: {}, line: 1 }),
    required({ good: "label", wrong: [null, 7, {}] }),
  ],
  report: [{ good: { runs: ["run"] }, wrong: [null, 7, "one", [], {}, { rnus: ["run"] }, { runs: [] }] }],
  resolveModel: [text(folder), options()],
  savedState: [adapted],
  savedTensors: [adapted],
  targetSlots: [model, adapterConfig],
  train: [run, hooks],
  verifyHypergradient: [run, hooks],
  writeAdapter: [text("out"), object({ config: {}, tensors: new Map() })],
};

/** Made by others of these, or to be extended. */
const CLASSES = ["Adapter", "BidoraError", "CheckpointRequest", "LabelMap", "LowRank", "UsageError"];

type AnyFunction = (...given: readonly unknown[]) => unknown;

/** What a call ends with, however it gives its result. */
async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    const result = call();
    if (Object(result)[Symbol.asyncIterator]) for await (const _ of result as AsyncIterable<unknown>) break;
    await result;
    return undefined;
  } catch (error) {
    return error;
  }
}

test("there is a line here for every function of the library", () => {
  const functions = Object.entries(library).filter(([, value]) => typeof value === "function");
  expect(functions.map(([name]) => name).sort()).toEqual([...Object.keys(CALLS), ...CLASSES].sort());
});

describe.each(Object.entries(CALLS))("%s", (name, given) => {
  const cases = given.flatMap(({ wrong }, i) => wrong.map((value) => ({ i, value })));
  test.each(cases)("argument $i: $value", async ({ i, value }) => {
    const call = (library as unknown as Record<string, AnyFunction>)[name] as AnyFunction;
    const error = await errorOf(() => call(...given.map(({ good }, k) => (k === i ? value : good))));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(/^[^\n]*(takes .*; got |has no "|Unknown setting "|is missing)[^\n]*$/);
    expect((error as Error).message).not.toMatch(/\[object|destructure|undefined \(/);
  });
});

describe("methods and classes", () => {
  test.each<readonly [string, (model: library.Model) => unknown, RegExp]>([
    ["no prompts", (model) => model.generate([]), /^generate: prompts takes at least one prompt; got none\.$/],
    [
      "prompts that are numbers",
      (model) => model.generate([1] as never),
      /^generate: prompts\[0\] takes a string, a list of messages .*; got 1\.$/,
    ],
    [
      "messages without a role",
      (model) => model.generate([[{ content: "a" }]] as never),
      /^generate: prompts\[0\] takes/,
    ],
    [
      "no prompt",
      (model) => model.generate(undefined as never),
      /^generate: prompts takes a list .*; got undefined\.$/,
    ],
    [
      "a wrong hook",
      (model) => model.generate("a", {}, { singal: 1 } as never),
      /^generate: hooks has no "singal"\. Did you mean "signal"\?$/,
    ],
    [
      "a setting of the command",
      (model) => model.generate("a", { prompt: "b" } as never),
      /^Unknown setting "prompt"\./,
    ],
    [
      "a misspelt setting",
      (model) => model.generate("a", { topp: 1 } as never),
      /^Unknown setting "topp"\. Did you mean "topP"\?$/,
    ],
    [
      "one row",
      (model) => model.predict("a" as never),
      /^predict: rows takes a list of rows; got one, "a": put it into a list\.$/,
    ],
    [
      "one row of values",
      (model) => model.predict({ text: "a" } as never),
      /^predict: rows takes a list of rows; got one/,
    ],
    ["no rows", (model) => model.predict([]), /^predict: rows takes at least one row; got none\.$/],
    [
      "rows that are numbers",
      (model) => model.predict([1] as never),
      /^predict: rows\[0\] takes a string, or an object .*; got 1\.$/,
    ],
    [
      "rows that are lists",
      (model) => model.predict([["a"]] as never),
      /^predict: rows\[0\] takes a string, or an object .*; got \["a"\]\.$/,
    ],
    [
      "rows with a wrong setting",
      (model) => model.predict(["a"], { batchSize: "8" as never }),
      /^batchSize takes .*; got "8"\.$/,
    ],
    [
      "rows with a wrong hook",
      (model) => model.predict(["a"], {}, 7 as never),
      /^predict: hooks takes an object; got 7\.$/,
    ],
    [
      "a label map of a text",
      () => new library.LabelMap("one" as never),
      /^LabelMap: names takes a list of strings; got "one"\.$/,
    ],
    [
      "a label map of numbers",
      () => new library.LabelMap([1] as never),
      /^LabelMap: names\[0\] takes a string; got 1\.$/,
    ],
  ])("%s", async (_, call, message) => {
    const model = await library.load({ model: join(GOLDEN, "generation", "llama"), dtype: "float32" });
    const error = await errorOf(() => call(model));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toMatch(message);
  });

  test("numbers and switches are no texts, lists may be", () => {
    const resolve = (given: object) => resolveRun({ model: "m", ...given });
    expect(() => resolve({ rank: "8" })).toThrow('rank takes a whole number of at least 1; got "8".');
    expect(() => resolve({ rslora: "true" })).toThrow('rslora takes true or false; got "true".');
    expect(() => resolve({ xi: "0.5" })).toThrow('; got "0.5".');
    expect(() => resolve({ rank: 2n })).toThrow("got 2.");
    expect(resolve({ textColumns: "a,b" }).textColumns).toEqual(["a", "b"]);
    expect(resolve({ xi: "optimizer" }).xi).toBe("optimizer");
  });

  test("what came is named with its article", () => {
    const call = (signal: unknown) => library.finetune({ model: "m" }, { signal: signal as AbortSignal });
    return Promise.all([
      expect(call(new AbortController())).rejects.toThrow("takes an AbortSignal; got an AbortController."),
      expect(call(new Map())).rejects.toThrow("takes an AbortSignal; got a Map."),
      expect(call((function* () {})())).rejects.toThrow("takes an AbortSignal; got {}."),
    ]);
  });
});
