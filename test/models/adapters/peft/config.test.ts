import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../src/base/records/json.js";
import {
  type AdapterConfig,
  doraConfig,
  type LoraConfig,
  type LowRankConfig,
  loraConfig,
} from "../../../../src/models/adapters/index.js";
import { rankAndScale } from "../../../../src/models/adapters/lowRankConfig.js";
import { parsePeftConfig, renderPeftConfig } from "../../../../src/models/adapters/peft/peftConfig.js";
import { GOLDEN } from "../../../parity/goldenFiles.js";

const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: "main" };

const parse = (json: JsonObject) => parsePeftConfig("adapter_config.json", json);
const render = (config: AdapterConfig, paths: readonly string[] = []): JsonObject =>
  JSON.parse(renderPeftConfig(config, ORIGIN, paths)) as JsonObject;

test("missing keys have PEFT's defaults and unknown keys are ignored", () => {
  const { config, taskType, baseModel, targetsFromTensors } = parse({ peft_type: "LORA", some_later_key: { a: 1 } });
  expect(config).toEqual(loraConfig({ rank: 8, alpha: 8, targetModules: [] }));
  expect([taskType, baseModel, targetsFromTensors]).toEqual([undefined, undefined, true]);
});

test("the file has exactly PEFT's keys, sorted, with PEFT's defaults for other settings", () => {
  const golden = JSON.parse(readFileSync(join(GOLDEN, "bert/adapters/dora-wide/adapter_config.json"), "utf8"));
  const text = renderPeftConfig(
    doraConfig({
      rank: 3,
      alpha: 5,
      targetModules: ["intermediate.dense", "query", "value"],
      modulesToSave: ["classifier", "score"],
    }),
    { taskType: "SEQ_CLS", baseModel: undefined, revision: undefined },
    [],
  );
  expect(JSON.parse(text)).toEqual(golden);
  expect(Object.keys(JSON.parse(text))).toEqual(Object.keys(golden));
  expect(text.startsWith('{\n  "alora_invocation_tokens": null,\n')).toBe(true);
});

test.each<[string, AdapterConfig]>([
  ["a list", loraConfig({ targetModules: ["query", "value"], layersToTransform: [0, 2], layersPattern: ["layer"] })],
  ["a pattern", doraConfig({ targetModules: ".*\\.(query|value)", excludeModules: ["key"], bias: "adapted" })],
  ["all linear layers", loraConfig({ targetModules: "all-linear", excludeModules: "classifier.*", loraBias: true })],
  ["patterns", loraConfig({ rankPattern: { query: 4 }, alphaPattern: { value: 2.5 }, rslora: true, dropout: 0.1 })],
])("%s is written and read back unchanged", (_, config) => {
  const { targetsFromTensors, ...read } = parse(render(config));
  expect(read).toEqual({ config, ...ORIGIN });
  expect(targetsFromTensors).toBe(false);
});

test("single numbers and names are lists of one element", () => {
  const { config } = parse({
    peft_type: "LORA",
    target_modules: ["query"],
    layers_to_transform: 2,
    layers_pattern: "layer",
  });
  expect(config).toMatchObject({ layersToTransform: [2], layersPattern: ["layer"] });
});

describe("unsupported settings are refused with a reason", () => {
  test.each<[JsonObject, string]>([
    [{ peft_type: "LOHA" }, "LOHA"],
    [{ peft_type: null }, "no peft_type"],
    ...["corda", "lora_ga", "pissa_4"].map((start): [JsonObject, string] => [
      { init_lora_weights: start },
      "changes the base weights",
    ]),
    [{ init_lora_weights: "pissa_niter_4" }, "by random numbers that no file has"],
    [{ use_dora: true, lora_bias: true }, "are mutually exclusive"],
    [{ layer_replication: [[0, 2]] }, "layer_replication"],
    [{ megatron_config: {} }, "megatron_config"],
    [{ target_parameters: ["w"] }, "target_parameters"],
    [{ trainable_token_indices: [1] }, "trainable_token_indices"],
    [{ alora_invocation_tokens: [1] }, "alora_invocation_tokens"],
    [{ use_qalora: true }, "use_qalora"],
    [{ arrow_config: {} }, "arrow_config"],
    [{ use_bdlora: {} }, "use_bdlora"],
    [{ kasa_config: {} }, "kasa_config"],
    [{ monteclora_config: {} }, "monteclora_config"],
    [{ ensure_weight_tying: true }, "ensure_weight_tying"],
    [{ target_modules: ".*", layers_to_transform: [1] }, "layers_to_transform"],
    [{ target_modules: ["query"], layers_pattern: "layer" }, "layers_to_transform"],
    [{ r: 0 }, "r is 0"],
    [{ r: "8" }, 'r is "8"'],
    [{ lora_dropout: 1.5 }, "lora_dropout is 1.5"],
    [{ bias: "some" }, 'bias is "some"'],
    [{ rank_pattern: { query: 1.5 } }, "rank_pattern"],
    [JSON.parse('{"rank_pattern":{"__proto__":4}}'), 'rank_pattern is {"__proto__":4}: the name __proto__'],
    [JSON.parse('{"alpha_pattern":{"__proto__":4}}'), "the name __proto__ is not supported"],
  ])("%j", (json, reason) => {
    const read = () => parse({ peft_type: "LORA", ...json });
    expect(read).toThrow(reason);
    expect(read).toThrow(/^adapter_config\.json: [^\n]+\.$/);
  });

  test.each([true, false, null, "mica", "loftq"])("but not init_lora_weights %j", (start) => {
    expect(parse({ peft_type: "LORA", init_lora_weights: start }).config.method).toBe("lora");
  });
});

test.each(["pissa", "olora", "gaussian", "orthogonal", "eva"])("init_lora_weights %s is kept", (start) => {
  for (const use_dora of [false, true]) {
    const { config } = parse({ peft_type: "LORA", target_modules: ["query"], init_lora_weights: start, use_dora });
    expect(config).toMatchObject({ initLoraWeights: start });
    expect(render(config)).toMatchObject({ init_lora_weights: start });
  }
});

test("an adapter that LoftQ started in PEFT keeps its loftq_config", () => {
  const loftq = { init_lora_weights: "loftq", loftq_config: { loftq_bits: 4, loftq_iter: 5 } };
  const { config, ...origin } = parse({ peft_type: "LORA", target_modules: ["query"], ...loftq });
  expect(origin.loftqConfig).toEqual(loftq.loftq_config);
  expect(JSON.parse(renderPeftConfig(config, origin, []))).toMatchObject(loftq);
  expect(render(config)).toMatchObject({ init_lora_weights: true, loftq_config: {} });
});

test("loraConfig() has bidora's defaults", () => {
  expect(loraConfig()).toMatchObject({ rank: 8, alpha: 16, dropout: 0, rslora: false, bias: "none", loraBias: false });
});

describe("patterns", () => {
  const paths = ["layer.0.query", "layer.0.value", "layer.1.query", "layer.10.query"];
  const ranks = (config: LowRankConfig) => paths.map((path) => rankAndScale(config, path).rank);

  test("match the end of a path at a dot, and the file's first key wins", () => {
    const config = loraConfig({ rank: 1, rankPattern: { query: 4, "0\\.query": 5, "layer.1.query": 6, uery: 7 } });
    expect(ranks(config)).toEqual([4, 1, 4, 4]);
    expect(ranks(loraConfig({ rank: 1, rankPattern: { "1.query": 2, query: 3, "alue|value": 9 } }))).toEqual([
      3, 9, 2, 3,
    ]);
  });

  test("do not match a part of a name", () => {
    expect(ranks(loraConfig({ rank: 1, rankPattern: { uery: 7, "0": 7, "layer.1": 7 } }))).toEqual([1, 1, 1, 1]);
  });

  test("are written unchanged if no two keys match one module", () => {
    const rankPattern = { "0.query": 4, value: 5 };
    expect(render(loraConfig({ rankPattern }), paths).rank_pattern).toEqual(rankPattern);
  });

  test("that overlap are written so that PEFT, which sorts keys, gives every module the same value", () => {
    const config = loraConfig({
      rank: 1,
      alpha: 3,
      rankPattern: { query: 4, "0.query": 5 },
      alphaPattern: { "1.query": 7, query: 8 },
    });
    const written = render(config, paths);
    expect(Object.keys(written.rank_pattern as object)).toHaveLength(3);
    const read = parse(written).config as LoraConfig;
    for (const path of paths) expect(rankAndScale(read, path)).toEqual(rankAndScale(config, path));
    for (const pattern of [read.rankPattern, read.alphaPattern]) {
      for (const path of paths) {
        const matching = Object.keys(pattern).filter((key) => new RegExp(`^(?:(.*\\.)?(${key})$)`).test(path));
        expect(matching.length, path).toBeLessThanOrEqual(1);
      }
    }
  });

  test("rank-stabilized scale divides by the square root of the module's own rank", () => {
    const config = loraConfig({ rank: 4, alpha: 6, rslora: true, rankPattern: { value: 9 } });
    expect(rankAndScale(config, "layer.0.query").scale).toBe(3);
    expect(rankAndScale(config, "layer.0.value").scale).toBe(2);
  });
});

test("an unknown peft_type is refused with a list of known ones", () => {
  expect(() => parse({ peft_type: "LOHA" })).toThrow(/peft_type is "LOHA"; known are .*"LORA"/);
  expect(() => parse({})).toThrow(/it has no peft_type; known are .*"LORA"/);
});
