/** Runs exported graphs with onnxruntime. */
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect } from "vitest";
import type { Encoded } from "../../../../src/text/index.js";

/** The side of a row that padding is on. */
export type Side = "left" | "right";

export const SIDES: readonly Side[] = ["left", "right"];

/** Output tensors by name. */
export type Outputs = Readonly<Record<string, Tensor>>;

/** An open graph. */
export class OnnxModel {
  private constructor(readonly session: InferenceSession) {}

  static async open(folder: string, file = "model.onnx"): Promise<OnnxModel> {
    return new OnnxModel(
      await InferenceSession.create(join(folder, "onnx", file), { logSeverityLevel: 4, intraOpNumThreads: 1 }),
    );
  }

  get inputs(): readonly string[] {
    return this.session.inputNames;
  }

  /** Runs rows as one batch, padded to the longest. */
  run(rows: readonly Encoded[], side: Side, padding = 0): Promise<Outputs> {
    const length = Math.max(...rows.map(({ inputIds }) => inputIds.length));
    const padded = (of: (row: Encoded) => readonly number[], fill: number) => {
      const values = rows.flatMap((row) => {
        const fills = Array.from({ length: length - of(row).length }, () => fill);
        return side === "left" ? [...fills, ...of(row)] : [...of(row), ...fills];
      });
      return new Tensor("int64", BigInt64Array.from(values, BigInt), [rows.length, length]);
    };
    const all: Record<string, Tensor> = {
      input_ids: padded(({ inputIds }) => inputIds, padding),
      attention_mask: padded(({ inputIds }) => inputIds.map(() => 1), 0),
      token_type_ids: padded(({ tokenTypeIds }) => tokenTypeIds, 0),
    };
    return this.session.run(Object.fromEntries(this.inputs.map((name) => [name, all[name] as Tensor])));
  }
}

/** The values of the tokens of padded rows, one row after the other, or of whole rows. */
export function unpadded(output: Tensor, rows: readonly Encoded[], side: Side): number[] {
  const values = Array.from(output.data as Float32Array);
  const [, length = 1] = output.dims;
  const width = values.length / rows.length / length;
  return rows.flatMap(({ inputIds }, i) => {
    const start = i * length + (side === "left" ? length - inputIds.length : 0);
    return values.slice(start * width, (start + inputIds.length) * width);
  });
}

/** The largest difference, over the largest expected magnitude. */
export function distance(actual: readonly number[], expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] as number)))) / scale;
}

const valuesOf = (outputs: Outputs, name: string): number[] => Array.from(outputs[name]?.data as Float32Array);

/** The outputs of rows, without padding. */
export async function outputsOf(
  model: OnnxModel,
  rows: readonly Encoded[],
  side: Side,
  padding = 0,
): Promise<number[]> {
  const outputs = await model.run(rows, side, padding);
  const isByRow = outputs.logits?.dims.length === 2;
  if (isByRow) return valuesOf(outputs, "logits");
  return unpadded(outputs.logits ?? outputs.last_hidden_state!, rows, side);
}
