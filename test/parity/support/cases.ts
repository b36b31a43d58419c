import { join } from "node:path";
import type { MagnitudeAxis, NormGradient } from "../../../src/models/adapters/index.js";
import type { HypergradientName } from "../../../src/tasks/config/index.js";
import type { ScheduleName } from "../../../src/torch/optim/index.js";
import { GOLDEN, manifests, readJson, readTensors, type Tensors } from "../goldenFiles.js";

/** A golden run: a checkpoint, the saved adapter that it starts from, and a file of results. */
export interface AdapterCase {
  readonly name: string;
  readonly checkpoint: string;
  /** Folder of the adapter. */
  readonly adapter: string;
  readonly file: string;
}

export interface TrainingSettings {
  readonly maxLength: number;
  readonly maxSteps: number;
  readonly batchSize: number;
  readonly gradientAccumulation: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly adamBeta1: number;
  readonly adamBeta2: number;
  readonly adamEpsilon: number;
  readonly warmupRatio: number;
  readonly schedule: ScheduleName;
  readonly maxGradNorm: number | null;
}

export interface TrainingCase extends AdapterCase {
  readonly rows: string;
  readonly settings: TrainingSettings;
  readonly losses: readonly number[];
  readonly learningRates: readonly number[];
  readonly gradientNorms: readonly number[];
}

export interface HypergradientCase {
  readonly axis: MagnitudeAxis;
  readonly normGradient: NormGradient;
  readonly checkpoint: string;
  readonly adapter: string;
  readonly rows: string;
  readonly maxLength: number;
  /** First row, and one past the last row. */
  readonly lowerRows: readonly [number, number];
  readonly upperRows: readonly [number, number];
  readonly learningRate: number;
  readonly stepsBefore: number;
  readonly weightDecay: number;
  readonly regularizer: number;
  readonly terms: number;
  readonly file: string;
}

export interface SearchSettings extends Omit<TrainingSettings, "gradientAccumulation"> {
  readonly searchFraction: number;
  readonly hypergradient: HypergradientName;
  readonly xi: number | "learning-rate" | "optimizer";
  readonly retrainSteps: number;
  readonly upperLearningRate: number;
  readonly retrainLearningRate: number;
  readonly upperWeightDecay: number;
  readonly regularizer: number;
  readonly terms: number;
  readonly damping: number;
}

export interface BilevelCase extends AdapterCase {
  readonly rows: string;
  readonly axis: MagnitudeAxis;
  readonly normGradient: NormGradient;
  readonly settings: SearchSettings;
  readonly log: {
    readonly search: readonly {
      readonly loss: number;
      readonly upperLoss: number;
      readonly hypergradientNorm: number;
      readonly learningRate: number;
    }[];
    readonly retrain: readonly { readonly loss: number; readonly learningRate: number }[];
  };
}

interface Sections {
  readonly dropout: AdapterCase;
  readonly training: TrainingCase;
  readonly hypergradients: HypergradientCase;
  readonly bidora: BilevelCase;
}

/** The entries of one section of all manifests, with their families. */
export function casesOf<Section extends keyof Sections>(section: Section): (Sections[Section] & { family: string })[] {
  return manifests.flatMap((folder) => {
    type Own = Partial<Record<Section, Sections[Section][]>> & { readonly family: string };
    const manifest = readJson<Own>(join(GOLDEN, folder, "golden.json"));
    return (manifest[section] ?? []).map((entry) => ({ family: manifest.family, ...entry }));
  });
}

/** The tensors of a golden file. */
export function goldenTensors(family: string, file: string): Tensors {
  return readTensors(join(GOLDEN, family, file));
}

/** Tensors whose name starts with `prefix.`, by the rest of the name without the adapter format's prefix. */
export function section(tensors: Tensors, prefix: string): Tensors {
  const start = `${prefix}.`;
  const found = [...tensors].filter(([name]) => name.startsWith(start));
  return withoutPrefix(new Map(found.map(([name, tensor]) => [name.slice(start.length), tensor])));
}

/** The tensors of an adapter file, by the names of trained tensors. */
export function withoutPrefix(tensors: Tensors): Tensors {
  return new Map([...tensors].map(([name, tensor]) => [name.replace(/^base_model\.model\./, ""), tensor]));
}
