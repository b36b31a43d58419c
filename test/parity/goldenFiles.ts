import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors/safetensors.js";
import { type ModelInput, modelInput } from "../../src/models/index.js";
import type { Encoded } from "../../src/text/index.js";
import type * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../support/golden.js";

export { GOLDEN };

export interface ForwardCase {
  readonly checkpoint: string;
  readonly head: "single" | "multi" | "regression" | "tokens" | "lm" | "none";
  readonly rows: string;
  readonly file: string;
}

export interface Manifest {
  readonly family: string;
  readonly forward: readonly ForwardCase[];
  readonly fullGradient?: { readonly checkpoint: string; readonly batch: string; readonly file: string };
  readonly questions?: {
    readonly checkpoint: string;
    readonly rows: string;
    readonly maxLength: number;
    readonly file: string;
    readonly predictions: readonly { answer: string; start: number; end: number; score: number }[];
  };
  readonly dropout?: readonly {
    readonly name: string;
    readonly adapter: string;
    readonly checkpoint: string;
    readonly file: string;
  }[];
}

export const families: readonly string[] = readJson<{ families: string[] }>(join(GOLDEN, "golden.json")).families;

/** Folders with further adapters on the families' checkpoints: each entry of a manifest names its family. */
const FURTHER = ["rivals", "oft", "prediag"] as const;

/** The entries of one section of the manifests of these folders. */
export function furtherCases<Entry>(section: string): (Entry & { readonly family: string })[] {
  type Sections = Partial<Record<string, (Entry & { readonly family: string })[]>>;
  return FURTHER.flatMap((folder) => readJson<Sections>(join(GOLDEN, folder, "golden.json"))[section] ?? []);
}

export function manifest(family: string): Manifest {
  return readJson<Manifest>(join(GOLDEN, family, "golden.json"));
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

export type Tensors = ReadonlyMap<string, torch.Tensor>;

export function readTensors(path: string): Tensors {
  const file = openSafetensors(path);
  try {
    return new Map(file.names.map((name) => [name, file.readTensor(name)]));
  } finally {
    file.close();
  }
}

export function get(tensors: Tensors, name: string): torch.Tensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the golden file lacks ${name}`);
  return tensor;
}

/** The rows of a golden file. */
export function goldenRows(tensors: Tensors): Encoded[] {
  const ids = Array.from(get(tensors, "input_ids").toArray());
  const types = Array.from(tensors.get("token_type_ids")?.toArray() ?? ids.map(() => 0));
  return tokenRows(get(tensors, "lengths").toArray(), ids, types);
}

export function goldenInput(tensors: Tensors): ModelInput {
  return modelInput(goldenRows(tensors));
}

/** Splits the ids of all rows into rows of these lengths. */
export function tokenRows(
  lengths: readonly number[],
  ids: readonly number[],
  types: readonly number[] = ids.map(() => 0),
): Encoded[] {
  let end = 0;
  return lengths.map((length) => {
    end += length;
    return { inputIds: ids.slice(end - length, end), tokenTypeIds: types.slice(end - length, end) };
  });
}

/** Expects the same shape, and no error above `tolerance` times the largest expected magnitude. */
export function expectClose(actual: torch.Tensor, expected: torch.Tensor, tolerance: number, what = ""): void {
  expect(actual.shape, what).toEqual(expected.shape);
  expect(relativeError(actual, expected), what).toBeLessThan(tolerance);
}

/** Largest difference, over the largest expected magnitude. */
export function relativeError(actual: torch.Tensor, expected: torch.Tensor): number {
  const [a, b] = [actual.toArray(), expected.toArray()];
  const scale = Math.max(...b.map(Math.abs), Number.MIN_VALUE);
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)))) / scale;
}
