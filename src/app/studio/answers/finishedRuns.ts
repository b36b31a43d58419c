/** The finished runs of a studio's folder: what they were trained for, and on what. */
import { join } from "node:path";
import { isFinished, METRICS, RUN_FILE } from "../../../base/records/index.js";
import { type AdapterMetadata, findAdapterMetadata, isAdapterFolder } from "../../../models/adapters/index.js";
import { type RunSettings, readRunFile } from "../../../tasks/config/index.js";
import { isTaskKind, type TaskKind } from "../../../tasks/index.js";
import type { StudioFolder } from "../folder.js";
import { fileState, Kept } from "../kept.js";
import type { AskedModel } from "./protocol.js";

export interface FinishedRun {
  readonly name: string;
  /** As commands take it that are started in the studio's folder. */
  readonly folder: string;
  readonly path: string;
  readonly task: TaskKind;
  readonly metadata: AdapterMetadata;
  readonly settings: RunSettings;
  /** Whether it wrote an adapter; otherwise a whole model. */
  readonly isAdapter: boolean;
  /** When it finished, in milliseconds since 1970. */
  readonly time: number;
}

/** Those that finished last first; folders that can't be read are left out. */
export function finishedRuns(folder: StudioFolder): FinishedRun[] {
  const found = folder.names("runs").flatMap((name) => finishedRun(folder, name) ?? []);
  return found.sort((a, b) => b.time - a.time);
}

/** By their paths: pages ask for all runs at each change. */
const runs = new Kept<FinishedRun | undefined>();

/** Undefined for a run that has not finished, or has a task that was defined in a program. */
export function finishedRun(folder: StudioFolder, name: string): FinishedRun | undefined {
  const path = folder.at("runs", name);
  const state = isFinished(path) ? fileState(join(path, METRICS)) : undefined;
  if (!state) return undefined;
  const [, time] = state;
  return runs.of(path, state, () => readRun({ name, folder: folder.as("runs", name), path, time }));
}

function readRun(place: Pick<FinishedRun, "name" | "folder" | "path" | "time">): FinishedRun | undefined {
  const { path } = place;
  try {
    const metadata = findAdapterMetadata(path);
    const { task } = metadata ?? {};
    if (!metadata || task === undefined || !isTaskKind(task)) return undefined;
    const settings = readRunFile(join(path, RUN_FILE));
    return { ...place, task, metadata, settings, isAdapter: isAdapterFolder(path) };
  } catch {
    return undefined;
  }
}

/** The tasks whose base model alone answers too, without a head of its own. */
const WITH_BASE: readonly TaskKind[] = ["causal-lm", "preference", "embedding"];

export const hasBase = ({ task, settings, isAdapter }: FinishedRun): boolean =>
  WITH_BASE.includes(task) && (isAdapter || settings.model !== undefined);

/** A run as a model to ask, or what it began with. */
export const askedModel = (
  { name, folder, task, time, isAdapter, settings }: FinishedRun,
  isBase = false,
): AskedModel => ({
  name: isBase ? BASE : name,
  ...{ run: folder, version: time, task, isBase },
  ...(!isAdapter && { wholeOf: settings.model ?? folder }),
});

/** The base model's name beside those of runs. */
export const BASE = "base model";

/** How commands name a run's model. */
export const modelFlags = ({ isAdapter, folder }: FinishedRun): readonly string[] => [
  isAdapter ? "--adapter" : "--model",
  folder,
];
