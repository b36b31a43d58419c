// Checks of all tasks before the first run.
import { existsSync } from "node:fs";
import { group } from "d3-array";
import { BidoraError, stopsByValidation, UsageError } from "../../../base/index.js";
import { metricName } from "../../../base/records/index.js";
import { flagOf, omit } from "../../../base/settings/index.js";
import type { HubContext } from "../../../formats/hub/index.js";
import { readConfig } from "../../../formats/index.js";
import { architectureOf, designOf } from "../../../models/index.js";
import { type RunConfig, type RunKey, type RunSettings, resolveRun } from "../../../tasks/config/index.js";
import type { Dataset } from "../../../tasks/data/index.js";
import { outputNames, splitsToRead, taskOf, withSubsets } from "../../../tasks/datasets/index.js";
import { textScorer } from "../../../tasks/index.js";
import {
  checkEvaluationRows,
  checkOneMetric,
  isLeak,
  isPublished,
  nestedNotes,
  overlapOf,
  overlapText,
  type RunData,
  readRunData,
  rowKeysOf,
  stopsBy,
  trainedNotes,
} from "../../../training/run/index.js";
import { metricsOf, refuseUnknownMetric } from "../results/scoring.js";
import type { Spec } from "../spec/spec.js";
import type { SpecTask } from "../spec/specTasks.js";
import { pointsFor } from "../spec/tuning.js";
import type { Variant } from "../spec/variants.js";
import type { KnownFacts, Reported } from "./estimates.js";
import { heldOutSettings, settingsWithHoldout } from "./runSettings.js";

/** How rows are looked up, and what receives notes on a task. */
interface Look extends HubContext {
  readonly tell: (line: string) => void;
}

interface CheckOptions extends HubContext {
  /** The runs are only listed, possibly for another machine: files that are missing here are no error. */
  readonly isListed: boolean;
}

/**
 * Checks all tasks before the first run, for problems that would make runs fail or make their results meaningless.
 * @throws BidoraError `COMPARISON`, or UsageError if only the settings are at fault, naming each task with its problem
 */
export async function checkTasks(spec: Spec, facts: KnownFacts, options: CheckOptions): Promise<void> {
  const found: { readonly task: string; readonly problem: BidoraError }[] = [];
  const notes = new Set<string>();
  for (const task of spec.tasks) {
    const look = { ...options, tell: (line: string) => notes.add(`${task.name}: ${line}`) };
    for (const problem of await problemsOf(spec, task, facts, look)) found.push({ task: task.name, problem });
  }
  for (const line of notes) options.onNote?.(line);
  if (found.length === 0) return;
  const sentences = [...group(found, ({ problem }) => problem.message)].map(
    ([what, alike]) => `${[...new Set(alike.map(({ task }) => task))].join(", ")}: ${what}`,
  );
  const message = `No run was started. ${sentences.join(" ")}`;
  if (found.every(({ problem }) => problem instanceof UsageError)) throw new UsageError(message);
  throw new BidoraError("COMPARISON", message);
}

async function problemsOf(
  spec: Spec,
  task: SpecTask,
  facts: KnownFacts,
  { isListed, ...look }: Look & CheckOptions,
): Promise<BidoraError[]> {
  const given = { ...spec.common, ...task.settings };
  const missing = missingFiles(given);
  const runs = runsOf(spec, task);
  const design = await caught(() => designProblems(given, runs));
  // Nothing is downloaded from the Hub just to list the runs.
  const isHere = missing.length === 0 && (!isListed || runs.every(({ config }) => existsSync(config.model)));
  const found = [...missing, ...design, ...(isHere ? await rowProblems(task, runs, facts, look) : [])];
  return isListed ? found.filter(({ code }) => code !== MISSING) : found;
}

const MISSING = "FILE";

const FILES = ["data", "train", "validation", "test"] as const;

const missingFiles = (given: RunSettings): BidoraError[] =>
  FILES.flatMap((key) => {
    const path = given[key];
    if (path === undefined || existsSync(path)) return [];
    return new BidoraError(MISSING, `There is no ${path}, which ${flagOf(key)} names.`);
  });

/** A run with the settings that do not depend on its number of rows. */
interface AskedRun {
  readonly variant: Variant;
  readonly config: RunConfig;
  /** Whether tuning, which holds out training rows, chooses some of its settings. */
  readonly isTuned: boolean;
  /** The settings of a run that holds out training rows, to choose a point or to stop by. */
  readonly holding: RunConfig | undefined;
}

/** All runs on a task, whatever the seed: every method with every point that is tried for it, and with every value of the curve. */
const runsOf = (spec: Spec, task: SpecTask): AskedRun[] =>
  spec.variants.flatMap((variant) => {
    const tried = pointsFor(spec.tuning, variant);
    const isTuned = tried.length > 0;
    const run = (point: RunSettings, isTuned: boolean): AskedRun => {
      const settings = settingsWithHoldout(spec, task, variant, point);
      const held = isTuned ? { ...heldOutSettings(spec, task, variant, point), ...settings } : settings;
      const holding = held.holdoutFraction === undefined ? undefined : resolveRun(held);
      return { variant, isTuned, holding, config: resolveRun(settings) };
    };
    const reported = (isTuned ? tried : [{}]).map((point) => run(point, isTuned));
    return [...reported, ...(spec.curve?.points ?? []).map((point) => run(point, false))];
  });

/** The settings that determine which rows are read, and how. */
const READ_BY = [
  ...(["model", "revision", "task", "data", "train", "validation", "test", "testSplit"] as const),
  ...(["textColumns", "labelColumn", "maxLength"] as const),
];

/** Reads rows once for all runs that read the same rows. */
async function rowProblems(
  task: SpecTask,
  runs: readonly AskedRun[],
  facts: KnownFacts,
  look: Look,
): Promise<BidoraError[]> {
  const found = group(runs, ({ config }) => JSON.stringify(READ_BY.map((name) => config[name] ?? null)));
  const problems: BidoraError[] = [];
  for (const alike of found.values()) problems.push(...(await caught(() => problemsOfAlike(task, alike, facts, look))));
  return problems;
}

async function problemsOfAlike(
  { mainMetric }: SpecTask,
  runs: readonly AskedRun[],
  facts: KnownFacts,
  look: Look,
): Promise<BidoraError[]> {
  const { config: first } = runs[0]!;
  const given = omit(first.given, "trainLimit", "holdoutFraction", "holdoutGroups");
  const data = await readRunData({ config: resolveRun(given), saved: undefined, adapterFolder: undefined }, look);
  const { splits, choice } = data;
  const judged = { choice, labels: outputNames(choice.task, data.labels) };
  if (mainMetric !== undefined) refuseUnknownMetric(mainMetric, metricsOf(choice, judged.labels));
  facts.learn(first, splits.train.examples.length, reportedOn(data));
  designOf(architectureOf(readConfig(data.folder)), choice.task.head);
  const problems: BidoraError[] = [];
  for (const rows of [splits.train, splits.validation, splits.test]) problems.push(...(await labelProblem(data, rows)));
  problems.push(...choiceProblems(runs, data, look.tell));
  noteNested(runs, data, look.tell);
  for (const { config, variant, isTuned } of runs) {
    const watching = { ...config, ...(variant.stopsEarly && { evalEvery: 1 }) };
    const holdout = config.holdoutFraction === undefined ? undefined : splits.train;
    problems.push(
      ...(await caught(async () => {
        checkEvaluationRows(watching, { ...splits, holdout });
        stopsBy(config, judged);
        checkOneMetric(choice.task, { ...splits, holdout: isTuned ? splits.train : holdout });
        await facts.rowsOf(config);
        return [];
      })),
    );
  }
  return problems;
}

/** The rows that results are reported on, and the main metric, which may depend on the labels. */
function reportedOn({ splits, choice, labels }: RunData): Reported | undefined {
  const reported = splits.test ?? splits.validation;
  if (!reported) return undefined;
  const { task, metrics, texts } = choice;
  const { main } = texts ? textScorer : task.scorer({ labels: outputNames(task, labels), metrics });
  return { rows: reported.examples.length, metric: metricName(main, splits.test ? "test" : "validation") };
}

const namesOf = (runs: readonly AskedRun[]): string[] => [...new Set(runs.map(({ variant }) => variant.name))];

/** What a run is chosen by, and the rows that this takes. */
const CHOICES = [
  {
    rows: "validation",
    chooses: ({ config }: AskedRun) => stopsByValidation(config),
    would: (methods: string) => `--early-stopping would stop ${methods} by the validation rows`,
  },
  {
    rows: "train",
    chooses: ({ config }: AskedRun) => config.earlyStopping !== undefined && config.holdoutFraction !== undefined,
    would: (methods: string) => `early stopping would stop ${methods} by held-out training rows`,
  },
  {
    rows: "train",
    chooses: ({ isTuned }: AskedRun) => isTuned,
    would: (methods: string) => `--tune would choose settings of ${methods} by held-out training rows`,
  },
] as const;

/** Which rows the reported ones are among, and what to do about it. */
const AMONG = {
  validation: (method: string) =>
    `these: use ${method}+es, which holds out training rows to stop by, set --holdout-fraction, or remove these rows from the validation rows`,
  train: () => "the training rows: name other rows to report on by --test, or remove these rows from the training rows",
} as const;

/** Choices that would be made by rows that the results are reported on. Fewer such rows, and rows that are trained on, get a note. */
function choiceProblems(runs: readonly AskedRun[], { splits, choice }: RunData, tell: Look["tell"]) {
  const keys = rowKeysOf(splits);
  for (const line of trainedNotes(keys)) tell(line);
  const reported = splits.test ? "test" : "validation";
  return CHOICES.flatMap(({ rows, chooses, would }) => {
    const names = namesOf(runs.filter(chooses));
    const overlap = names.length > 0 && rows !== reported ? overlapOf(keys, reported, rows) : undefined;
    if (!overlap) return [];
    const text = overlapText(overlap);
    if (isLeak(overlap, rows, isPublished(choice, runs[0]!.config)))
      return new UsageError(
        `${would(names.join(", "))}, but ${text}, which the results are reported on, are among ${AMONG[rows](names[0]!)}.`,
      );
    if (rows === "validation") tell(`${text} are also validation rows, by which --early-stopping chooses.`);
    return [];
  });
}

/** What the first run that holds out rows gets; the other runs differ in the seed at most. */
function noteNested(runs: readonly AskedRun[], { splits, choice: { task } }: RunData, tell: Look["tell"]): void {
  const holding = runs.find((run) => run.holding)?.holding;
  if (!holding) return;
  for (const line of nestedNotes(withSubsets(splits, holding, task), holding, task)) tell(line);
}

/** The first row whose label is unknown to the model or invalid for the task. */
const labelProblem = ({ choice, labels }: RunData, rows: Dataset | undefined): Promise<BidoraError[]> =>
  caught(() => {
    for (const example of rows?.examples ?? []) choice.task.reference(example, labels);
    return [];
  });

/** The problems that a check returns or throws. */
async function caught(look: () => BidoraError[] | Promise<BidoraError[]>): Promise<BidoraError[]> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof BidoraError) return [error];
    throw error;
  }
}

/**
 * The split that a task's results are reported on: its test rows if there are any, else its validation rows. Null if it has neither, and
 * undefined if the data set's folder is not on this machine.
 */
export async function reportedRows(given: RunSettings): Promise<"test" | "validation" | null | undefined> {
  if (given.task === undefined)
    return given.test !== undefined ? "test" : given.validation !== undefined ? "validation" : null;
  if (given.data !== undefined && !existsSync(given.data)) return undefined;
  const splits = await splitsToRead(taskOf(given.task), given);
  return (["test", "validation"] as const).find((split) => splits.includes(split)) ?? null;
}

/**
 * Flaws in the design of an experiment: no rows to score, runs that are scored on different labels or tokens, and runs that stop early by
 * the rows that their results are reported on.
 */
async function designProblems(given: RunSettings, runs: readonly AskedRun[]): Promise<BidoraError[]> {
  const reported = await reportedRows(given);
  if (reported === null)
    return [
      new UsageError(
        "there are neither validation nor test rows, so its runs cannot be scored: name a file by --validation or --test.",
      ),
    ];
  const unlike = differentlyScored(runs.map(({ config }) => config.given));
  if (unlike.length > 0) return unlike;
  const seen = runs.filter(({ config }) => reported === "validation" && stopsByValidation(config.given));
  const stopped = namesOf(seen);
  if (stopped.length === 0) return [];
  return [
    new UsageError(
      `--early-stopping would stop ${stopped.join(", ")} by the validation rows that the results are reported on: use ${stopped[0]}+es, which holds out training rows to stop by, set --holdout-fraction, or give separate test rows.`,
    ),
  ];
}

/** Settings that would score a task's runs, all points of --tune and --curve included, on different labels or tokens. */
function differentlyScored(runs: readonly RunSettings[]): UsageError[] {
  const isOfTokens = runs.some((run) => run.task !== undefined && taskOf(run.task).task.takesTrainOn === true);
  const scoredBy: readonly RunKey[] = [
    "labelColumn",
    "positiveLabel",
    ...(isOfTokens ? (["maxLength", "trainOn"] as const) : []),
  ];
  return scoredBy.flatMap((key) => {
    const values = [...new Set(runs.map((run) => String(run[key] ?? "not set")))];
    if (values.length < 2) return [];
    const [flag, what] = [
      flagOf(key),
      key.endsWith("Label") || key === "labelColumn" ? "labels" : "tokens of its rows",
    ];
    return new UsageError(
      `${flag} differs between its runs (${values.join(", ")}), so its runs would be scored on different ${what}: give one ${flag} for all of them.`,
    );
  });
}
