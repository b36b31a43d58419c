/** What a page says of a question that has no answer. */
import { html, type Markup } from "../../../studies/report/index.js";
import { button } from "../page.js";
import type { Finding } from "./findings.js";

/** Why there is none, and a button to ask again; undefined while it is asked. */
export function failedFinding(name: string, answer: Finding): Markup | undefined {
  if (answer.state === "running" || answer.state === "done") return undefined;
  const why =
    answer.state === "failed"
      ? html`<p class="problem">${answer.message}</p>`
      : html`<p class="note">It was stopped.</p>`;
  return html`${why}<div class="buttons">${button("/model/again", "Try again", { name }, `again-${name}`)}</div>`;
}
