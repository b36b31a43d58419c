/** The sentence of a run that failed, with links to the settings that it names and to those that can help. */
import { flagOf, type Option } from "../../../base/settings/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { type RunKey, runOptions } from "../../../tasks/config/index.js";
import type { Failure } from "./runFacts.js";

/** The settings of a run by their flags, without those of a single call. */
const BY_FLAG: ReadonlyMap<string, RunKey> = new Map(
  Object.entries<Option>(runOptions)
    .filter(([, { session }]) => !session)
    .map(([key]) => [flagOf(key), key as RunKey]),
);

const FLAG = /(--[a-z][a-z0-9-]*)/;

/** The settings that can help, by what the code or the sentence of a failure says. */
const HELP: readonly (readonly [sign: RegExp, keys: readonly RunKey[]])[] = [
  [/MEMORY|memory/, ["batchSize", "maxLength", "gradientCheckpointing"]],
  [/NOT_FINITE/, ["learningRate", "maxGradNorm"]],
];

/** @param page the path of the page with the settings, if that is another one */
export function failurePart({ message, code = "" }: Failure, page = ""): Markup {
  const parts = message.split(FLAG);
  const named = parts.flatMap((part) => BY_FLAG.get(part) ?? []);
  const sentence = parts.map((part) => linked(part, BY_FLAG.get(part), page));
  const others = HELP.filter(([sign]) => sign.test(code) || sign.test(message))
    .flatMap(([, keys]) => keys)
    .filter((key) => !named.includes(key));
  const links = others.map((key, i) => html`${i === 0 ? "" : ", "}${linked(flagOf(key), key, page)}`);
  const help = links.length === 0 ? undefined : html`<p>What can help: ${links}.</p>`;
  return html`<div class="failure"><p>${sentence}</p>${help}</div>`;
}

/** Where a setting is changed. The screen Data sets those about rows. */
const linked = (text: string, key: RunKey | undefined, page: string): Markup =>
  key === undefined
    ? html`${text}`
    : html`<a href="${OF_ROWS.includes(key) ? "/data" : key === "model" ? "/model" : `${page}#setting-${key}`}">${text}</a>`;

const OF_ROWS: readonly RunKey[] = ["train", "validation", "test", "task", "labelColumn", "textColumns"];
