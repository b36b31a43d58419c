import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import type { DecoderConfig } from "../../src/models/decoderConfig.js";
import { architectureOf, loadModel, modelInput } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, GOLDEN, get, goldenInput, goldenRows, readJson, readTensors } from "../parity/goldenFiles.js";
import { changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

interface GoldenRope {
  readonly frequencies: readonly number[];
  readonly factor: number;
}

const LAYERS = ["full_attention", "sliding_attention"] as const;

interface RopeCase {
  readonly name: string;
  readonly config: JsonObject;
  readonly ropes: readonly ({ readonly length: number } & Partial<Record<(typeof LAYERS)[number], GoldenRope>>)[];
}

const golden = readJson<{
  frequencies: readonly RopeCase[];
  logits: Readonly<Record<string, { family: string; config: JsonObject }>>;
}>(join(GOLDEN, "ropes/ropes.json"));

const parse = (config: JsonObject) => architectureOf(config).parseConfig(config) as DecoderConfig;

test.each(golden.frequencies)("$name: transformers' frequencies and factor", ({ config, ropes }) => {
  const own = parse(config).ropes;
  for (const { length, ...byLayer } of ropes) {
    for (const kind of LAYERS) {
      const expected = byLayer[kind];
      if (!expected) continue;
      const actual = own[kind].frequencies(length);
      expect(actual.length).toBe(expected.frequencies.length);
      for (const [i, frequency] of actual.entries())
        expect(Math.abs(frequency / expected.frequencies[i]! - 1), `${kind} ${length} ${i}`).toBeLessThan(5e-7);
      expect(own[kind].factor).toBeCloseTo(expected.factor, 12);
    }
  }
});

describe.each(Object.entries(golden.logits))("%s", (name, { family, config }) => {
  const tensors = readTensors(join(GOLDEN, "ropes/logits.safetensors"));
  const last = (input: ReturnType<typeof modelInput>) =>
    torch.tensor(
      input.layout.lengths.map((_, row) => input.layout.lengths.slice(0, row + 1).reduce((a, b) => a + b) - 1),
      [input.layout.lengths.length],
      "int64",
    );

  test.each(["float32", "float64"] as const)(
    "each row of a batch has the frequencies for its own length: %s",
    async (dtype) => {
      const old = family === "phi3" ? {} : { rope_parameters: undefined };
      const checkpoint = changedCheckpoint(`${family}/lm`, { config: { ...old, ...config } });
      const options = { ...headFor("causal-lm", 0), dtype, generator: new torch.Generator(1) };
      const { model } = await loadModel(checkpoint, options);
      const input = goldenInput(tensors);
      const together = torch.indexSelect(model.forward(input, EVALUATION), 0, last(input));
      expectClose(together, get(tensors, name), 1e-5);
      const [, long] = goldenRows(tensors);
      const alone = modelInput([long!]);
      const logits = torch.indexSelect(model.forward(alone, EVALUATION), 0, last(alone));
      expectClose(logits, torch.narrow(get(tensors, name), 0, 1, 1), 1e-5);
    },
  );
});

test.each<[JsonObject, RegExp]>([
  [
    { rope_scaling: { rope_type: "proportional", factor: 2 } },
    /rope_scaling\.rope_type "proportional" is not supported; supported are default, linear, dynamic, llama3, yarn, longrope\.$/,
  ],
  [{ rope_scaling: { type: "dynamc", factor: 2 } }, /"dynamc" is not supported; .* Did you mean "dynamic"\?$/],
  [{ rope_scaling: { type: "linear" } }, /rope_scaling\.factor must be a number above 0, but is missing\.$/],
  [{ rope_scaling: { type: "linear", factor: -1 } }, /rope_scaling\.factor must be a number above 0, but is -1\.$/],
  [{ rope_scaling: { type: "default", mrope_section: [1, 2] } }, /rope_scaling\.mrope_section is not supported/],
  [{ rope_scaling: [1] }, /rope_scaling must be an object, but is \[1\]\.$/],
  [{ rope_theta: 0 }, /rope_theta must be a number above 0, but is 0\.$/],
  [
    { rope_scaling: { rope_type: "longrope", short_factor: [1], long_factor: [1] } },
    /short_factor must be a list of 3 numbers above 0/,
  ],
  [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor 0\.5 is not supported; expected 1 or no such key\.$/],
  [{ rope_parameters: { partial_rotary_factor: 0.5 } }, /rope_parameters\.partial_rotary_factor 0\.5 is not supported/],
  [
    { rope_parameters: { full_attention: { rope_theta: 5 } } },
    /rope_parameters\.full_attention is not supported: this model has one rope/,
  ],
  [{ head_dim: 7 }, /rotary dimensions of a head must be even and positive, but is 7\.$/],
  [
    { model_type: "phi3", rope_scaling: { type: "linear", factor: 2 } },
    /"linear" is not supported; supported are default, longrope\.$/,
  ],
  [{ model_type: "phi3", partial_rotary_factor: 0.1 }, /must be even and positive, but is 0\.$/],
  [
    { model_type: "gemma3_text", rope_parameters: { rope_type: "linear", factor: 2 } },
    /rope_parameters has rope_type, but expected one object for each of full_attention, sliding_attention\.$/,
  ],
  [
    { model_type: "gemma3_text", rope_scaling: { type: "linear", factor: 2 } },
    /rope_scaling has type, which transformers ignores for this model; call it rope_type\.$/,
  ],
  [
    {
      model_type: "gemma3_text",
      rope_parameters: { full_attention: { rope_type: "yarn", factor: 2, truncate: false } },
    },
    /rope_parameters\.full_attention\.truncate false is not supported/,
  ],
])("refuses the rope of %o", (config, message) => {
  const sizes = { hidden_size: 24, num_attention_heads: 4, num_key_value_heads: 2, pad_token_id: 0 };
  expect(() => parse({ model_type: "llama", ...sizes, ...config })).toThrow(message);
});

test("every architecture with a rope reads the older keys like the newer ones", () => {
  const scaling = { rope_type: "linear", factor: 3 };
  for (const type of ["llama", "mistral", "qwen2", "qwen3"] as const) {
    const of = (config: JsonObject) =>
      ARCHITECTURES[type].parseConfig({ model_type: type, ...config }) as DecoderConfig;
    const [old, now] = [
      of({ rope_theta: 3e5, rope_scaling: scaling }),
      of({ rope_parameters: { ...scaling, rope_theta: 3e5 } }),
    ];
    expect(old.ropes.full_attention.frequencies(9)).toEqual(now.ropes.full_attention.frequencies(9));
  }
});
