/** What fits this machine. */
import type { Markup } from "../../../studies/report/index.js";
import type { Studio } from "../workspace.js";

export async function estimatePart(_studio: Studio): Promise<Markup | undefined> {
  return undefined;
}
