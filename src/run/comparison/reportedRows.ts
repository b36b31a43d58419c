import { existsSync, statSync } from "node:fs";
import { type BidoraError, UsageError } from "../../common/errors.js";
import { stopsByValidation } from "../../common/run.js";
import type { RunKey, RunSettings } from "../../config/index.js";
import { splitsToRead, taskOf } from "../../datasets/index.js";
import { sha256OfFile } from "../../files/checksums.js";
import { flagOf } from "../../settings/option.js";
import { heldOf } from "./cellSettings.js";
import type { Spec, SpecTask } from "./spec.js";

/**
 * The rows that a task's results are of: its test rows where there are some, else its validation rows. Null where it has neither, and
 * undefined where that can't be known, for a data set's folder is on another machine.
 */
export async function reportedRows(said: RunSettings): Promise<"test" | "validation" | null | undefined> {
  if (said.task === undefined)
    return said.test !== undefined ? "test" : said.validation !== undefined ? "validation" : null;
  if (said.data !== undefined && !existsSync(said.data)) return undefined;
  const splits = await splitsToRead(taskOf(said.task), said);
  return (["test", "validation"] as const).find((split) => splits.includes(split)) ?? null;
}

/**
 * What makes a task's results tell nothing, or too much: no rows to judge by, runs that are judged by unlike labels or tokens, and runs
 * that are stopped by the rows they are judged by.
 */
export async function designProblems(spec: Spec, task: SpecTask): Promise<BidoraError[]> {
  const said = { ...spec.common, ...task.settings };
  const reported = await reportedRows(said);
  if (reported === null)
    return [
      new UsageError(
        "there are neither validation nor test rows, so its runs cannot be scored: name a file by --validation or --test.",
      ),
    ];
  const unlike = unlikeJudged(spec, task);
  if (unlike.length > 0) return unlike;
  const isSeen = reported === "validation" || (reported === "test" && (await areSame(said.validation, said.test)));
  const stopped = isSeen ? stoppedBySeen(spec, task) : [];
  if (stopped.length === 0) return [];
  const rows = reported === "test" ? "validation rows, which are its test rows," : "validation rows";
  return [
    new UsageError(
      `--early-stopping would stop ${stopped.join(", ")} by the ${rows} that its results are of: take ${stopped[0]}+es, which is stopped by training rows that it holds out, set --holdout-fraction, or give test rows of their own.`,
    ),
  ];
}

/** Settings by which runs of one task, with whatever a grid tries, would be judged by unlike labels or tokens. */
function unlikeJudged(spec: Spec, task: SpecTask): UsageError[] {
  const runs = spec.variants.flatMap((variant) => pointsOf(spec).map((point) => heldOf(spec, task, variant, point)));
  const isOfTokens = runs.some((run) => run.task !== undefined && taskOf(run.task).task.takesTrainOn === true);
  const judgedBy: readonly RunKey[] = ["labelColumn", ...(isOfTokens ? (["maxLength", "trainOn"] as const) : [])];
  return judgedBy.flatMap((key) => {
    const values = [...new Set(runs.map((run) => String(run[key] ?? "not set")))];
    if (values.length < 2) return [];
    const [flag, what] = [flagOf(key), key === "labelColumn" ? "labels" : "tokens of its rows"];
    return new UsageError(
      `${flag} differs between its runs (${values.join(", ")}), so its runs would be scored on different ${what}: give one ${flag} for all of them.`,
    );
  });
}

const pointsOf = ({ grid }: Spec): readonly RunSettings[] => (grid.length > 0 ? grid : [{}]);

/** The methods of which a run, with whatever a grid tries, is stopped by validation rows. */
function stoppedBySeen(spec: Spec, task: SpecTask): string[] {
  const points = pointsOf(spec);
  const stops = spec.variants.filter((variant) =>
    points.some((point) => stopsByValidation(heldOf(spec, task, variant, point))),
  );
  return stops.map(({ name }) => name);
}

/** Whether two files hold the same. */
async function areSame(a: string | undefined, b: string | undefined): Promise<boolean> {
  if (a === undefined || b === undefined || !existsSync(a) || !existsSync(b)) return false;
  return statSync(a).size === statSync(b).size && (await sha256OfFile(a)) === (await sha256OfFile(b));
}
