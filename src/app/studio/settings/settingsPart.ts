/** Method and settings of the next run, for the screen that trains. */
import { UsageError } from "../../../base/index.js";
import type { Option } from "../../../base/settings/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { type RunKey, runOptions } from "../../../tasks/config/index.js";
import { currentOf } from "../data/current.js";
import { type Changes, settledRun } from "../runFile.js";
import type { Action, Asked, Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import { labelOf, valueFrom } from "./inputs.js";
import { methodChoice } from "./methodChoice.js";
import { settingField } from "./settingField.js";
import { isSettable, type Setting, settingsOfRun } from "./settings.js";

/** Where the forms go back to. */
const PAGE = "/train";

/** The most used ones, which are in sight; all others are in the list that can be searched. */
const IN_SIGHT: readonly RunKey[] = [
  ...(["rank", "alpha", "targetModules", "learningRate", "epochs", "maxSteps"] as const),
  ...(["batchSize", "maxLength", "positiveLabel", "evalEvery", "earlyStopping", "seed"] as const),
];

/** @throws BidoraError, UsageError for a run.yaml that commands refuse too */
export async function settingsPart(studio: Studio, { query, form }: Asked): Promise<Markup> {
  const file = studio.runFile.read();
  const settings = settingsOfRun(file, await labelsOf(studio));
  const inSight = IN_SIGHT.map((key) => settings.find((setting) => setting.key === key)!);
  const others = settings.filter(({ key }) => !IN_SIGHT.includes(key));
  return html`<div class="settings">${leftNote(query)}${methodChoice(settledRun(file).method, file.method !== undefined)}
<section id="settings" aria-labelledby="settings-title"><h2 id="settings-title">Settings</h2><div class="fields">${inSight.map((setting) => settingField(setting, form))}</div>${otherSettings(others, form)}</section></div>`;
}

/** The labels of the training rows; undefined while they are not known. */
async function labelsOf(studio: Studio): Promise<readonly string[] | undefined> {
  const current = await currentOf(studio, undefined);
  return current?.part === "train" ? current.index?.labels?.map(({ label }) => label) : undefined;
}

/** What left run.yaml at the last change. */
function leftNote(query: URLSearchParams): Markup | undefined {
  const left = (query.get("left") ?? "").split(" ").filter(isSettable);
  if (left.length === 0) return undefined;
  const names = left.map(labelOf).join(", ");
  return html`<p class="note" id="left" role="status">Taken out of run.yaml, since it has no effect with the other settings: ${names}.</p>`;
}

function otherSettings(settings: readonly Setting[], form: Form | undefined): Markup {
  const given = settings.filter(({ isGiven }) => isGiven).length;
  const groups = [...new Set(settings.map(({ option }) => option.group))];
  const isOpen = form?.has("setting") ? html` open` : undefined;
  return html`<div class="field search" id="setting-search-field"><label for="setting-search">Search all other settings</label><input id="setting-search" type="search" data-filter="other-settings" data-kept autocomplete="off" placeholder="words, such as dropout or warm-up"></div>
<details id="other-settings"${isOpen}><summary>All ${settings.length}${given > 0 ? `, ${given} of them set` : ""}</summary>
<div id="setting-list" class="setting-groups">${groups.map((name) => groupPart(name, settings, form))}</div></details>`;
}

function groupPart(name: string, settings: readonly Setting[], form: Form | undefined): Markup {
  const own = settings.filter(({ option }) => option.group === name);
  const [active, idle] = [own.filter(({ only }) => only === undefined), own.filter(({ only }) => only !== undefined)];
  const fields = (list: readonly Setting[]) =>
    html`<div class="fields">${list.map((one) => settingField(one, form))}</div>`;
  const rest =
    idle.length > 0
      ? html`<details><summary>${idle.length} without effect now</summary>${fields(idle)}</details>`
      : undefined;
  return html`<div data-group><h3>${name}</h3>${active.length > 0 ? fields(active) : undefined}${rest}</div>`;
}

/** Two settings for one thing: either one takes the place of the other. */
const REPLACES: Partial<Record<RunKey, RunKey>> = { epochs: "maxSteps", maxSteps: "epochs" };

export const settingsActions: Readonly<Record<"method" | "setting" | "reset", Action>> = {
  method: (studio, form) => change(studio, { method: checked("method", form.required("method", "a method")) as never }),
  setting(studio, form) {
    const key = keyOf(form);
    const value = checked(key, form.text(key));
    const other = value === undefined ? undefined : REPLACES[key];
    return change(studio, { [key]: value, ...(other && { [other]: undefined }) });
  },
  reset: (studio, form) => change(studio, { [keyOf(form)]: undefined }),
};

const checked = (key: RunKey, text: string): unknown => valueFrom(key, runOptions[key] as Option, text);

function keyOf(form: Form): RunKey {
  const key = form.text("setting");
  if (key === "method" || isSettable(key)) return key;
  throw new UsageError(`No setting of this page is named ${JSON.stringify(key)}.`);
}

/** @returns the page, with the names of the settings that left the file */
function change(studio: Studio, changes: Changes): string {
  const left = studio.runFile.change(changes).filter((key) => !(key in changes));
  return left.length === 0 ? PAGE : `${PAGE}?${new URLSearchParams({ left: left.join(" ") })}`;
}
