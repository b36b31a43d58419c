import type { Judgements } from "../files/predictions.js";
import { rowsOfKind } from "../files/predictions.js";
import { classTables } from "./classTables.js";
import { html, type Markup } from "./html.js";
import { section } from "./layout.js";
import type { Run } from "./runs.js";
import { counted } from "./table.js";
import { wrongRowsList } from "./wrongRows.js";

/** A run with what it said of single rows. */
export interface JudgedRun {
  readonly run: Run;
  readonly judgements: Judgements;
}

/** How well classes are told apart, and the rows that are most wrong; of several runs each by itself, folded up. */
export function rowSections(judged: readonly JudgedRun[]): Markup[] {
  const told = judged.map((one) => ({ one, parts: partsOf(one, judged.length === 1) }));
  const ofAll = (key: "classes" | "wrong") =>
    told.flatMap(({ one, parts }) => (parts[key].length > 0 ? [asOne(one, parts[key], judged.length > 1)] : []));
  const [classes, wrong] = [ofAll("classes"), ofAll("wrong")];
  const about = html`<p class="note">Texts are shown as the model’s tokens spell them, up to 300 characters.</p>`;
  const each = (runs: Markup[]) =>
    runs.length > MOST_RUNS
      ? [html`<details class="run"><summary>${counted(runs.length, "run")}</summary>${runs}</details>`]
      : runs;
  return [
    ...(classes.length > 0 ? [section("classes", "Class by class", each(classes))] : []),
    ...(wrong.length > 0 ? [section("wrong-rows", "Rows that went wrong", [about, ...each(wrong)])] : []),
  ];
}

/** Runs whose names stand open. */
const MOST_RUNS = 12;

const asOne = ({ run }: JudgedRun, parts: readonly Markup[], isFolded: boolean): Markup =>
  isFolded ? html`<details class="run"><summary>${run.name}</summary>${parts}</details>` : html`${parts}`;

function partsOf(
  { run, judgements: { labels, splits } }: JudgedRun,
  isOne: boolean,
): { readonly classes: Markup[]; readonly wrong: Markup[] } {
  const [classes, wrong]: [Markup[], Markup[]] = [[], []];
  for (const { split, rows, broken } of splits) {
    if (broken > 0)
      wrong.push(
        html`<p class="note">${counted(broken, "line")} of the ${split} predictions can’t be read and ${broken === 1 ? "is" : "are"} left out.</p>`,
      );
    const found = rowsOfKind(rows, labels);
    if (!found) continue;
    classes.push(...classTables(found, labels, isOne ? split : `${run.name}’s ${split}`));
    const list = wrongRowsList(found, split);
    if (list) wrong.push(list);
  }
  return { classes, wrong };
}
