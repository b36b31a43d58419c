/** Exported encoders, and decoders with heads of encoders, in onnxruntime, against the values that transformers computed. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { exportModel } from "../../../src/commands/export.js";
import { families, GOLDEN, get, goldenRows, manifest, readJson, readTensors } from "../../parity/goldenFiles.js";
import { freshPath } from "../../workFolder.js";
import { distance, OnnxModel, outputsOf, SIDES, unpadded } from "./onnxModel.js";

const TOLERANCE = 1e-4;

const paddingOf = (family: string, checkpoint: string): number =>
  readJson<{ pad_token_id?: number }>(join(GOLDEN, family, checkpoint, "config.json")).pad_token_id ?? 0;

const forwardCases = families.flatMap((family) =>
  manifest(family).forward.flatMap((entry) => (entry.head === "lm" ? [] : [[family, entry.file, entry] as const])),
);

test.each(forwardCases)("%s, %s: both sides of padding, and each row alone", async (family, _, entry) => {
  const { checkpoint, head, file } = entry;
  const model = await exported(family, checkpoint);
  const golden = readTensors(join(GOLDEN, family, file));
  const rows = goldenRows(golden);
  const layers = [...golden.keys()].filter((name) => name.startsWith("hidden.")).length;
  const expected = [...get(golden, head === "none" ? `hidden.${layers - 1}` : "logits").toArray()];
  const padding = paddingOf(family, checkpoint);
  for (const side of SIDES)
    expect(distance(await outputsOf(model, rows, side, padding), expected), side).toBeLessThan(TOLERANCE);
  const alone = [];
  for (const row of rows) alone.push(...(await outputsOf(model, [row], "right", padding)));
  expect(distance(alone, expected), "alone").toBeLessThan(TOLERANCE);
});

const questionCases = families.flatMap((family) => {
  const { questions } = manifest(family);
  return questions ? [[family, questions] as const] : [];
});

test.each(questionCases)("%s: start and end of answers", async (family, { checkpoint, file }) => {
  const model = await exported(family, checkpoint);
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

async function exported(family: string, checkpoint: string): Promise<OnnxModel> {
  const output = freshPath("onnx");
  await exportModel({ model: join(GOLDEN, family, checkpoint), to: "onnx", output });
  return OnnxModel.open(output);
}
