import { existsSync } from "node:fs";
import { join } from "node:path";
import { readSideFile, SIDE_FILE, type SideFacts } from "./adapters/index.js";
import type { DataSettings } from "./taskData.js";

/** What this program keeps beside a model's weights on how it is used; undefined for a model from elsewhere. */
export function sideOfModel(folder: string): SideFacts | undefined {
  if (!existsSync(join(folder, SIDE_FILE))) return undefined;
  const { formatVersion: _version, adapterConfig: _config, ...facts } = readSideFile(folder);
  return facts;
}

/** Of what is kept, how a model is used: how it was trained does not describe what is made of it. */
export function useOnly(side: SideFacts): SideFacts {
  const { axis: _axis, normGradient: _normGradient, phase: _phase, search: _search, ...use } = side;
  return use;
}

/** The columns that rows were read from in training: the first choice where a user names none. */
export function usualColumns(
  side: SideFacts | undefined,
): Pick<DataSettings, "usualTextColumns" | "usualLabelColumns"> {
  return { usualTextColumns: side?.textColumns, usualLabelColumns: side?.labelColumns };
}
