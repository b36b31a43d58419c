/** Exported encoders in onnxruntime, against the values that transformers computed. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../../src/commands/export.js";
import type { Encoded } from "../../../src/text/index.js";
import { families, GOLDEN, get, goldenRows, manifest, readJson, readTensors } from "../../parity/goldenFiles.js";
import { freshPath } from "../../workFolder.js";
import { OnnxModel, type Outputs, type Side, unpadded } from "./onnxModel.js";

const TOLERANCE = 1e-4;

const ENCODERS = families.filter((family) => !manifest(family).forward.some(({ head }) => head === "lm"));

const SIDES: readonly Side[] = ["left", "right"];

function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] as number)))) / scale;
}

const valuesOf = (outputs: Outputs, name: string): number[] => Array.from(outputs[name]?.data as Float32Array);

/** The outputs of rows, without padding. */
async function outputsOf(model: OnnxModel, rows: readonly Encoded[], side: Side, padding: number) {
  const outputs = await model.run(rows, side, padding);
  const isByRow = outputs.logits?.dims.length === 2;
  if (isByRow) return valuesOf(outputs, "logits");
  return unpadded(outputs.logits ?? outputs.last_hidden_state!, rows, side);
}

const paddingOf = (family: string, checkpoint: string): number =>
  readJson<{ pad_token_id?: number }>(join(GOLDEN, family, checkpoint, "config.json")).pad_token_id ?? 0;

describe.each(ENCODERS)("%s", (family) => {
  const { forward, questions } = manifest(family);

  it.each(forward.map((entry) => [entry.file, entry] as const))("%s", async (_, { checkpoint, head, file }) => {
    const output = freshPath("onnx");
    await exportModel({ model: join(GOLDEN, family, checkpoint), to: "onnx", output });
    const model = await OnnxModel.open(output);
    const golden = readTensors(join(GOLDEN, family, file));
    const rows = goldenRows(golden);
    const layers = [...golden.keys()].filter((name) => name.startsWith("hidden.")).length;
    const expected = get(golden, head === "none" ? `hidden.${layers - 1}` : "logits").toArray();
    const padding = paddingOf(family, checkpoint);
    for (const side of SIDES)
      expect(distance(await outputsOf(model, rows, side, padding), [...expected]), side).toBeLessThan(TOLERANCE);
    const alone = [];
    for (const row of rows) alone.push(...(await outputsOf(model, [row], "right", padding)));
    expect(distance(alone, [...expected]), "alone").toBeLessThan(TOLERANCE);
  });

  it.runIf(questions)("questions", async () => {
    const output = freshPath("onnx");
    const { checkpoint, file } = questions!;
    await exportModel({ model: join(GOLDEN, family, checkpoint), to: "onnx", output });
    const model = await OnnxModel.open(output);
    const golden = readTensors(join(GOLDEN, family, file));
    const rows = goldenRows(golden);
    const logits = [...get(golden, "logits").toArray()];
    for (const side of SIDES) {
      const outputs = await model.run(rows, side, paddingOf(family, checkpoint));
      for (const [i, name] of ["start_logits", "end_logits"].entries()) {
        const expected = logits.filter((_, j) => j % 2 === i);
        expect(distance(unpadded(outputs[name]!, rows, side), expected), `${side} ${name}`).toBeLessThan(TOLERANCE);
      }
    }
  });
});
