/** Method and settings of the next run, for the screen that trains. */
import { html, type Markup } from "../../../studies/report/index.js";
import { choiceField, form } from "../page.js";
import type { Action, Asked } from "../screen.js";
import type { Studio } from "../workspace.js";

export async function settingsPart(studio: Studio, _asked: Asked): Promise<Markup> {
  const { method = "lora" } = studio.runFile.read();
  const names = ["lora", "dora", "bidora", "full"].map((name) => [name, name] as const);
  const fields = [choiceField({ name: "method", label: "Method" }, names, method)];
  return html`<section id="settings" aria-labelledby="settings-title"><h2 id="settings-title">Settings</h2>${form("/train/method", fields, html`data-live`)}</section>`;
}

export const settingsActions: Readonly<Record<string, Action>> = {
  method(studio, form) {
    studio.runFile.change({ method: form.required("method", "a method") as never });
    return undefined;
  },
};
