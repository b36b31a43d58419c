/** A work of this screen: how it is going, or why it failed, with links to the settings that its sentence names. */
import { html, type Markup } from "../../../studies/report/index.js";
import { workPart } from "../page.js";
import { failurePart } from "../training/failure.js";
import type { WorkState } from "../works.js";

/** @returns undefined for one that is done: its result is in the page */
export function workingPart(name: string, work: WorkState | undefined): Markup | undefined {
  if (work === undefined || work.state === "done") return undefined;
  if (work.state !== "failed") return workPart(name, work);
  return html`<p><strong>Failed</strong></p>${failurePart({ message: work.message ?? "" }, "/train")}`;
}
