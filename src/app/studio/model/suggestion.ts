/** The model that `bidora init` would choose for the rows of the next run. */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { BidoraError } from "../../../base/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { ModelChoice } from "../../init/models.js";
import { proposeRun } from "../../init/proposal.js";
import type { Studio } from "../workspace.js";

/** The last one of each studio, with what it was made from. */
const known = new WeakMap<Studio, { readonly key: string; readonly choice: Promise<ModelChoice | undefined> }>();

/** @returns undefined without rows, and for rows that fit no task */
export function suggestionFor(studio: Studio, { task, train, textColumns, labelColumn }: RunSettings) {
  const path = train === undefined ? undefined : resolve(studio.folder.path, train);
  const file = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === undefined || !file) return undefined;
  const rows = { task, textColumns, labelColumn };
  const key = JSON.stringify([path, file.mtimeMs, file.size, rows]);
  const last = known.get(studio);
  if (last?.key === key) return last.choice;
  const choice = propose({ train: path, ...rows });
  known.set(studio, { key, choice });
  return choice;
}

async function propose(given: RunSettings): Promise<ModelChoice | undefined> {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as RunSettings;
  try {
    return (await proposeRun(said, undefined)).model;
  } catch (error) {
    if (error instanceof BidoraError) return undefined;
    throw error;
  }
}
