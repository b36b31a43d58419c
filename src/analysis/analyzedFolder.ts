import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  findAdapterMetadata,
  isAdapterFolder,
  type MagnitudeAxis,
  methodOf,
  readAdapter,
  type SavedAdapter,
  settingsOfAdapter,
} from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import { type RunSettings, readRunFile } from "../config/index.js";
import { RUN_FILE } from "../files/names.js";
import type { RunFolder } from "./runFolders.js";
import { type RunState, statesOf } from "./runStates.js";

/** What is to be analysed: a run, before any weights are read. */
export interface AnalyzedFolder extends RunFolder {
  readonly states: readonly [RunState, ...RunState[]];
  readonly method: string;
  /** The first saved adapter; undefined where whole models are saved. */
  readonly adapter: SavedAdapter | undefined;
  /** That of the run's own magnitudes, if it has any. */
  readonly axis: MagnitudeAxis | undefined;
  /** What the run was made with, if it tells. */
  readonly settings: RunSettings;
}

/** Whether it is full fine-tuning, which others are compared with. */
export const isFull = ({ method }: AnalyzedFolder): boolean => method === "full";

/** @throws BidoraError `ANALYSIS` for a run without saved steps, or one of a method that leaves weights as they are */
export async function describeRun(run: RunFolder): Promise<AnalyzedFolder> {
  const [first, ...more] = await statesOf(run.path);
  if (!first) throw new BidoraError("ANALYSIS", `${run.path} has saved no step yet: there is nothing to analyze.`);
  const yaml = join(run.path, RUN_FILE);
  const settings = existsSync(yaml) ? readRunFile(yaml) : {};
  const found = { ...run, states: [first, ...more], settings } as const;
  if (!isAdapterFolder(first.folder)) {
    const method = findAdapterMetadata(first.folder)?.method ?? "full";
    return { ...found, method, adapter: undefined, axis: undefined };
  }
  const adapter = await readAdapter(first.folder);
  const { inLayers } = methodOf(adapter.config);
  const method = adapter.metadata?.method ?? adapter.config.method;
  if (!inLayers) throw unchanged(run.path, method, "which leaves the weights of layers as they are");
  return { ...found, method, adapter, axis: settingsOfAdapter(adapter.config).magnitudeAxis };
}

/** Of a run whose weights can't have moved. */
export function unchanged(path: string, method: string, why: string): BidoraError {
  return new BidoraError(
    "ANALYSIS",
    `${path} was trained by ${method}, ${why}: analyze takes runs of methods that change them, such as lora, dora and full.`,
  );
}
