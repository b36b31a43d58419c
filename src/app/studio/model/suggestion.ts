/** The model that `bidora init` would choose for the rows of the next run. */
import { resolve } from "node:path";
import { BidoraError, given } from "../../../base/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import type { ModelChoice } from "../../init/models.js";
import { proposeRun } from "../../init/proposal.js";
import { fileState, Kept } from "../kept.js";
import type { Studio } from "../workspace.js";

/** By files of rows. */
const suggestions = new Kept<Promise<ModelChoice | undefined>>();

/** @returns undefined without rows, and for rows that fit no task */
export function suggestionFor(studio: Studio, { task, train, textColumns, labelColumn }: RunSettings) {
  if (train === undefined) return undefined;
  const path = resolve(studio.folder.path, train);
  const state = fileState(path);
  const rows = { task, textColumns, labelColumn };
  return state && suggestions.of(path, [state, rows], () => propose({ train: path, ...rows }));
}

async function propose(settings: RunSettings): Promise<ModelChoice | undefined> {
  try {
    return (await proposeRun(given(settings), undefined)).model;
  } catch (error) {
    if (error instanceof BidoraError) return undefined;
    throw error;
  }
}
