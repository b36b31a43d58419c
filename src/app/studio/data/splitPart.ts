/** Parts of the rows for training, validation and test: what is asked, and the work that writes them. */
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { BidoraError, formatCount } from "../../../base/index.js";
import { temporaryPath } from "../../../base/records/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { firstFree, type StudioFolder } from "../folder.js";
import { form, hidden, textField, workPart } from "../page.js";
import type { Form } from "../screen.js";
import type { Reporter } from "../works.js";
import type { Studio } from "../workspace.js";
import { addressOf, type Current, indexedOf, ROWS, stemOf } from "./current.js";
import { trainOn } from "./guess.js";
import { FLAGS, type Flag } from "./indexData.js";
import { runJob } from "./jobs.js";
import type { RowIndex } from "./rowIndex.js";
import { needsLabel, type Reading } from "./rowReader.js";
import { PARTS, type Part, type SplitPlan } from "./splitRows.js";

const REMOVED: Readonly<Record<Flag, string>> = {
  duplicate: "rows with the input of an earlier row, which stays",
  empty: "rows with an empty text",
  leaked: "rows that are also in another split",
  refused: "rows that training would refuse",
  unlabeled: "rows without a label",
};

const workOf = (name: string): string => `split-${name}`;

/** @param refused a form whose values are shown again */
export function splitPart(
  { works }: Studio,
  { name, index, part, reading }: Current & { index: RowIndex },
  refused: Form | undefined,
): Markup {
  const value = (field: string, preset: string) => refused?.optional(field) ?? preset;
  const boxes = FLAGS.map((flag) => ({ flag, count: index.countOf(flag) })).filter(({ count }) => count > 0);
  const isTicked = (flag: Flag) => (refused ? refused.all("remove").includes(flag) : isUsual(flag, reading));
  const removal = boxes.map(
    ({ flag, count }) =>
      html`<label for="remove-${flag}"><input type="checkbox" id="remove-${flag}" name="remove" value="${flag}"${isTicked(flag) ? html` checked` : undefined}> ${REMOVED[flag]}: ${formatCount(count)}</label>`,
  );
  const percent = html`type="number" min="0" max="90" step="any" inputmode="decimal"`;
  return html`<section id="split" aria-labelledby="split-title"><h2 id="split-title">Split</h2>
<p class="note">Each part has the labels in the same proportions, and rows with the same input are in one part. The parts are new files, on which the next run trains and is tested; ${name} stays as it is${part === "train" || part === undefined ? "" : ` (the run uses it as ${part} rows)`}.</p>
${form("/data/split", [
  hidden({ file: name }),
  html`<div class="fields">${textField({ name: "validation", label: "Validation, % of the rows" }, value("validation", "10"), percent)}${textField({ name: "test", label: "Test, % of the rows" }, value("test", "10"), percent)}${textField({ name: "seed", label: "Seed", help: "Another number gives another split." }, value("seed", "0"), html`type="number" min="0" step="1"`)}</div>`,
  removal.length > 0
    ? html`<fieldset class="boxes"><legend>Leave out of all parts</legend>${removal}</fieldset>`
    : undefined,
  html`<div class="buttons"><button id="button-split">Split, and use the parts</button></div>`,
])}
${workPart(workOf(name), works.get(workOf(name)))}</section>`;
}

/** Prompts may well be repeated with other answers; a label for the same text is known already, or contradicts it. */
const isUsual = (flag: Flag, reading: Reading): boolean =>
  flag === "duplicate" ? needsLabel(reading) : flag !== "leaked";

/** Starts the split of a file. @throws BidoraError for shares that leave nothing to train on */
export async function split(studio: Studio, form: Form): Promise<string> {
  const name = form.required("file", "a file");
  const plan = planOf(form);
  const current = await indexedOf(studio, name);
  void studio.works.start(workOf(name), `Split of ${name}`, async (reporter) => {
    try {
      return await writeParts(studio, current, plan, reporter);
    } finally {
      studio.news.changed("rows");
    }
  });
  return addressOf(name);
}

function planOf(form: Form): SplitPlan {
  const [validation, test] = [shareOf(form, "validation"), shareOf(form, "test")];
  const seed = Number(form.optional("seed") ?? "0");
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new BidoraError("STUDIO", "The seed must be a whole number of at least 0.");
  if (validation + test === 0) throw new BidoraError("STUDIO", "Give a share for validation or test first.");
  if (validation + test > 0.9)
    throw new BidoraError(
      "STUDIO",
      "Validation and test take more than 90 % of the rows together: leave more to train on.",
    );
  return { validation, test, seed, remove: FLAGS.filter((flag) => form.all("remove").includes(flag)) };
}

function shareOf(form: Form, field: "validation" | "test"): number {
  const text = form.optional(field)?.replace(",", ".") ?? "0";
  const share = Number(text) / 100;
  if (share >= 0 && share <= 0.9) return share;
  throw new BidoraError(
    "STUDIO",
    `The share of the ${field} rows must be a number from 0 to 90 (in %); got ${text.slice(0, 20)}.`,
  );
}

async function writeParts(
  studio: Studio,
  { name, index, reading }: Current & { index: RowIndex },
  plan: SplitPlan,
  reporter: Reporter,
): Promise<string> {
  const { folder } = studio;
  const names = partNames(
    folder,
    stemOf(folder, name),
    PARTS.filter((part) => part === "train" || plan[part] > 0),
  );
  const entries = Object.entries(names) as [Part, string][];
  const temporary = Object.fromEntries(entries.map(([part, file]) => [part, temporaryPath(folder.at("rows", file))]));
  try {
    const job = { kind: "split", path: folder.at("rows", name), index: index.data, plan, targets: temporary } as const;
    const counts = await runJob(job, reporter);
    for (const [part, file] of entries) await rename(temporary[part]!, folder.at("rows", file));
    const { task, textColumns, labelColumn } = reading;
    const path = (part: Part) => (names[part] === undefined ? undefined : folder.as("rows", names[part]));
    await trainOn(studio, names.train!, {
      task,
      textColumns,
      labelColumn,
      validation: path("validation"),
      test: path("test"),
    });
    const said = entries.map(([part, file]) => `${formatCount(counts[part])} rows in ${folder.as("rows", file)}`);
    return `${said.join(", ")}${counts.leftOut > 0 ? `; ${formatCount(counts.leftOut)} left out` : ""}. The next run uses them.`;
  } catch (error) {
    const made = Object.values(names).map((file) => folder.at("rows", file));
    for (const path of [...Object.values(temporary), ...made]) await rm(path, { force: true });
    throw error;
  }
}

/** Free names that belong together. */
function partNames(
  folder: StudioFolder,
  stem: string,
  parts: readonly Part[],
): Readonly<Partial<Record<Part, string>>> {
  const nameOf = (base: string, part: Part) => `${base}-${part}${ROWS}`;
  const isFree = (base: string) => PARTS.every((part) => !existsSync(folder.at("rows", nameOf(base, part))));
  const base = firstFree(stem, isFree);
  return Object.fromEntries(parts.map((part) => [part, nameOf(base, part)]));
}
