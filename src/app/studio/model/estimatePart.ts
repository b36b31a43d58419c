/** What fits this machine. */
import type { Markup } from "../../../studies/report/index.js";
import type { Studio } from "../workspace.js";

/** @param _isBusy whether a run trains: beside it, neither would be measured as it is alone */
export function estimatePart(_studio: Studio, _isBusy = false): Markup | undefined {
  return undefined;
}
