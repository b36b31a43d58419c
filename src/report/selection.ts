import { stopsByValidation } from "../common/stopsByValidation.js";
import { html, type Markup } from "./html.js";
import type { Run } from "./runs.js";

/** What must be said of a score of rows that chose the state which it is of; nothing where no run has such a one. */
export function selectionNote(runs: readonly Run[]): Markup | undefined {
  const chosen = runs.filter(({ start, done }) => done && stopsByValidation(start?.settings ?? {}));
  if (chosen.length === 0) return undefined;
  const which = runs.length === 1 ? "" : ` of ${chosen.map(({ name }) => name).join(", ")}`;
  return html`<p class="note">Early stopping kept the state${which} that was best on the validation rows: the validation score was used for selection, and is too good an estimate for new rows.</p>`;
}
