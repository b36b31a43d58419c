/** Exported language models in onnxruntime and transformers.js, against transformers' values and our own tokens. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { generateTokens } from "../../../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../../../src/models/generation/generationSettings.js";
import { loadModel } from "../../../../src/models/index.js";
import * as torch from "../../../../src/torch/index.js";
import { Emulation } from "../../../../src/use/export/onnx/dtypes/emulation.js";
import {
  ONNX_DTYPE_NAMES,
  ONNX_DTYPES,
  type OnnxDtype,
  type OnnxDtypeName,
} from "../../../../src/use/export/onnx/dtypes.js";
import { headFor } from "../../../models/ownHead.js";
import { families, GOLDEN, get, goldenRows, manifest, readJson, readTensors } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";
import { DecoderSession, type PaddedRow } from "./decoderSession.js";
import { greedyTokens, openCausalLm } from "./transformersJs.js";

const TOLERANCE = 1e-4;

const cases = families.flatMap((family) =>
  manifest(family)
    .forward.filter(({ head }) => head === "lm")
    .map((entry) => ({ family, ...entry })),
);

type Rows = readonly (readonly number[])[];

async function exported(model: string, ...dtype: OnnxDtypeName[]): Promise<string> {
  const output = freshPath("onnx");
  await exportModel({ model, to: "onnx", output, ...(dtype.length > 0 && { dtype }) });
  return output;
}

function goldenLogits(family: string, file: string): { rows: Rows; logits: readonly number[] } {
  const golden = readTensors(join(GOLDEN, family, file));
  return {
    rows: goldenRows(golden).map(({ inputIds }) => [...inputIds]),
    logits: [...get(golden, "logits").toArray()],
  };
}

function padded(rows: Rows, side: "left" | "right"): PaddedRow[] {
  const longest = Math.max(...rows.map(({ length }) => length));
  return rows.map((row) => {
    const padding = new Array<null>(longest - row.length).fill(null);
    return side === "left" ? [...padding, ...row] : [...row, ...padding];
  });
}

/** The logits of the tokens of each row, one token after the other. */
function byToken(batch: readonly PaddedRow[], { data, dims }: { data: readonly number[]; dims: readonly number[] }) {
  const [, length = 0, width = 0] = dims;
  return batch.map((row, i) =>
    row.flatMap((id, j) => (id === null ? [] : data.slice((i * length + j) * width, (i * length + j + 1) * width))),
  );
}

function expectLogits(actual: readonly number[], expected: readonly number[], what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const distance = Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] as number))));
  expect(distance / scale, what).toBeLessThan(TOLERANCE);
}

/** The logits of rows that come in parts: each part as a padded batch, with the parts before it in the cache. */
async function inParts(session: DecoderSession, parts: readonly (readonly PaddedRow[])[]): Promise<number[]> {
  const all = (parts[0] as readonly PaddedRow[]).map((): number[] => []);
  let before = all.map((): boolean[] => []);
  let cache: Awaited<ReturnType<DecoderSession["run"]>>["cache"] | undefined;
  for (const part of parts) {
    const result = await session.run(part, before, cache);
    for (const [i, values] of byToken(part, result.logits).entries()) all[i]?.push(...values);
    before = before.map((mask, i) => [...mask, ...(part[i] as PaddedRow).map((id) => id !== null)]);
    cache = result.cache;
  }
  return all.flat();
}

/** @param dtype whose values the model computes with */
async function ownTokens(
  model: string,
  prompts: Rows,
  tokens: number,
  dtype: OnnxDtypeName = "fp32",
): Promise<number[][]> {
  const options = { ...headFor("causal-lm", 0), dtype: "float32", generator: new torch.Generator(1) } as const;
  const { model: own } = await loadModel(model, options);
  const endTokens = [readJson<{ eos_token_id: number }>(join(model, "config.json")).eos_token_id];
  const generated = prompts.map((): number[] => []);
  const given = prompts.map((ids) => ({ ids, maxNewTokens: tokens, uniform: () => 0 }));
  const { arithmetic }: OnnxDtype = ONNX_DTYPES[dtype];
  const emulation = arithmetic && new Emulation(own, new Map(), arithmetic);
  const generate = async () => {
    for await (const next of generateTokens(own, given, { ...GREEDY, endTokens }))
      generated[next.prompt]?.push(...next.tokens);
  };
  await (emulation ? emulation.within(generate) : generate());
  emulation?.dispose();
  own.dispose();
  return generated;
}

/** A golden checkpoint with other settings. */
function changedFolder(source: string, config: JsonObject): string {
  const folder = freshPath("model");
  cpSync(join(GOLDEN, source), folder, { recursive: true });
  const path = join(folder, "config.json");
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...config }));
  return folder;
}

describe.each(cases)("$family $checkpoint", ({ family, checkpoint, file }) => {
  const source = join(GOLDEN, family, checkpoint);
  let folder: string;
  let session: DecoderSession;
  const { rows, logits } = goldenLogits(family, file);

  beforeAll(async () => {
    folder = await exported(source);
    session = await DecoderSession.open(join(folder, "onnx/model.onnx"));
  });

  it("has Optimum's inputs and outputs", () => {
    const { num_hidden_layers: layers = 2 } = readJson<{ num_hidden_layers?: number }>(join(source, "config.json"));
    const cached = (stem: string) =>
      Array.from({ length: layers }, (_, i) => [`${stem}.${i}.key`, `${stem}.${i}.value`]).flat();
    const positions = family === "gemma3_text" ? [] : ["position_ids"];
    const inputs = ["input_ids", "attention_mask", ...positions, ...cached("past_key_values")];
    expect([...session.inputNames].sort()).toEqual(inputs.sort());
    expect([...session.outputNames].sort()).toEqual(["logits", ...cached("present")].sort());
  });

  it.each(["left", "right"] as const)("padded on the %s", async (side) => {
    expectLogits(await inParts(session, [padded(rows, side)]), logits, "all at once");
    const halves = [0, 1].map((half) =>
      rows.map((row) => (half === 0 ? row.slice(0, row.length >> 1) : row.slice(row.length >> 1))),
    );
    const parts = halves.map((half) => padded(half, side));
    expectLogits(await inParts(session, parts), logits, "half of them cached");
  });

  it("a row alone, token by token", async () => {
    const alone = [];
    for (const row of rows)
      alone.push(
        ...(await inParts(
          session,
          row.map((id) => [[id]]),
        )),
      );
    expectLogits(alone, logits, "token by token");
  });

  it("generates in transformers.js the tokens that we generate", async () => {
    const prompts = [2, 5, 9, 12].map((length, i) => (rows[i] as readonly number[]).slice(0, length));
    const tokens = ["gpt2", "phi3"].includes(family) ? 36 : 64; // more would need more positions, or other RoPE frequencies
    const model = await openCausalLm(folder);
    const expected = await ownTokens(source, prompts, tokens);
    const together = await greedyTokens(model, prompts, { padding: 0, tokens });
    for (const [i, prompt] of prompts.entries()) {
      const own = expected[i] as number[];
      const [alone] = await greedyTokens(model, [prompt], { padding: 0, tokens });
      expect(alone).toEqual(own);
      expect(together[i]?.slice(0, own.length)).toEqual(own);
    }
    await model.dispose();
  });
});

it.each([
  ["gpt2", "lm"],
  ["llama", "lm"],
  ["gemma3_text", "lm"],
] as const)(
  "%s %s: every dtype opens by its name, and generates what its values give in our model",
  async (family, checkpoint) => {
    const source = join(GOLDEN, family, checkpoint);
    const folder = await exported(source, ...ONNX_DTYPE_NAMES);
    const prompt = [2, 17, 40, 71, 9];
    for (const dtype of ONNX_DTYPE_NAMES) {
      const model = await openCausalLm(folder, dtype);
      const expected = await ownTokens(source, [prompt], 24, dtype);
      expect(await greedyTokens(model, [prompt], { padding: 0, tokens: 24 }), dtype).toEqual(expected);
      await model.dispose();
    }
  },
);

describe("RoPE frequencies that depend on a row's length", () => {
  const dynamic = {
    rope_parameters: { rope_type: "dynamic", factor: 3, rope_theta: 10000 },
    max_position_embeddings: 20,
  };
  const prompts = [3, 9, 30].map((length) => Array.from({ length }, (_, i) => 5 + ((7 * i * i + length) % 100)));

  it("dynamic: generates the tokens that we generate", async () => {
    const source = changedFolder("llama/lm", dynamic);
    const model = await openCausalLm(await exported(source));
    const expected = await ownTokens(source, prompts, 40);
    const together = await greedyTokens(model, prompts, { padding: 0, tokens: 40 });
    expect(together.map((tokens, i) => tokens.slice(0, expected[i]?.length))).toEqual(expected);
    await model.dispose();
  });

  it("longrope: a prompt of any length; a cached row that grows over the original length fails by name", async () => {
    const source = changedFolder("phi3/lm", {});
    const model = await openCausalLm(await exported(source));
    const long = Array.from({ length: 50 }, (_, i) => 5 + ((3 * i * i) % 100));
    const batch = [prompts[0] as number[], long];
    const expected = await ownTokens(source, batch, 40);
    const together = await greedyTokens(model, batch, { padding: 0, tokens: 40 });
    expect(together.map((tokens, i) => tokens.slice(0, expected[i]?.length))).toEqual(expected);
    vi.spyOn(console, "error").mockReturnValue(); // transformers.js prints the inputs
    const crossing = greedyTokens(model, [long.slice(0, 40)], { padding: 0, tokens: 20 });
    await expect(crossing).rejects.toThrow(/up to 48 tokens but now more, which changes the RoPE frequencies/);
    await model.dispose();
  });
});
