/** Exported encoders, and decoders with heads of encoders, in onnxruntime, against the values that transformers computed. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { modelInput } from "../../../../src/models/index.js";
import { EVALUATION } from "../../../../src/models/nn/index.js";
import * as torch from "../../../../src/torch/index.js";
import { graphFamilyOf, graphOf, openToExport } from "../../../../src/use/export/onnx/exportedModel.js";
import { findModel } from "../../../../src/use/inference/open.js";
import { families, GOLDEN, get, goldenRows, manifest, readJson, readTensors } from "../../../parity/goldenFiles.js";
import { openModel } from "../../../parity/support/adapted.js";
import { freshPath } from "../../../support/workFolder.js";
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

test.each(["roberta", "mpnet", "esm-1b"])("%s: a padding token in a text has a position of its own", async (family) => {
  const model = await openModel(family, "single");
  const { padTokenId = 0 } = model.config;
  const row = { inputIds: [5, 6, padTokenId, 7, 8], tokenTypeIds: [0, 0, 0, 0, 0] };
  const expected = torch.noGrad(() => model.forward(modelInput([row]), EVALUATION)).toArray();
  const graph = await exported(family, "single");
  for (const side of SIDES) {
    const longer = { inputIds: [5, 6, 7, 8, 7, 6, 5], tokenTypeIds: [0, 0, 0, 0, 0, 0, 0] };
    const logits = await outputsOf(graph, [row, longer], side, padTokenId);
    expect(distance(logits.slice(0, expected.length), [...expected]), side).toBeLessThan(TOLERANCE);
  }
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

test("norms without a bias have one of zeros, since onnxruntime 1.17 crashes on LayerNormalization without it", async () => {
  const found = await findModel({ model: join(GOLDEN, "modernbert/single") });
  const { nodes } = graphOf(graphFamilyOf(found.folder), await openToExport(found, {}, false)).graph;
  const norms = nodes.filter(({ operator }) => operator === "LayerNormalization");
  expect(norms.length).toBeGreaterThan(3);
  for (const { inputs } of norms) expect(inputs).toHaveLength(3);
});

async function exported(family: string, checkpoint: string): Promise<OnnxModel> {
  const output = freshPath("onnx");
  await exportModel({ model: join(GOLDEN, family, checkpoint), to: "onnx", output });
  return OnnxModel.open(output);
}
