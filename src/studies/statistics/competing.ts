// The runs of a comparison that do not compete, and why.
import { group } from "d3-array";
import { someOf } from "../../base/index.js";
import {
  type ComparedTask,
  type Comparison,
  type Findings,
  type MetricRows,
  metricRows,
  type RunId,
  seedsText,
  type UnfinishedRun,
} from "../../base/records/index.js";

/** Why a run's score can say nothing about its method, with the word that stands beside the score. */
const FLAWS = {
  untrained: "untrained",
  constant: "constant",
  constantLabels: "constant labels",
} as const satisfies Record<keyof Findings, string>;

type Flaw = keyof typeof FLAWS;

/** Why a run does not compete: it has no score, or one that says nothing about its method. */
interface NotCompeting extends RunId {
  readonly why: "failed" | UnfinishedRun["state"] | Flaw;
}

type Found = Pick<Comparison, "tasks" | "runs" | "failed" | "unfinished">;

/** All such runs. Their methods are not marked as best. */
function notCompeting({ tasks, runs, failed = [], unfinished = [] }: Found): NotCompeting[] {
  const flawed = tasks.flatMap((task) =>
    runs
      .filter((run) => run.task === task.name)
      .flatMap((run) => flawsOf(run, reportedRows(task)).map((why) => ({ ...idOf(run), why }))),
  );
  return [
    ...failed.map((run) => ({ ...idOf(run), why: "failed" }) as const),
    ...unfinished.map((run) => ({ ...idOf(run), why: run.state })),
    ...flawed,
  ];
}

const idOf = ({ task, method, seed, dataSeed }: RunId): RunId => ({
  ...{ task, method, seed },
  ...(dataSeed !== undefined && { dataSeed }),
});

const reportedRows = ({ metrics: [main] }: ComparedTask): MetricRows => metricRows(main.name);

const flawNames = Object.keys(FLAWS) as Flaw[];

function flawsOf(run: Findings, rows: MetricRows): Flaw[] {
  return flawNames.filter((flaw) => (flaw === "untrained" ? run.untrained : run[flaw]?.includes(rows)));
}

const isFlaw = (why: NotCompeting["why"]): why is Flaw => Object.hasOwn(FLAWS, why);

/** The runs without a score: those that ended are a biased sample of their method's seeds. */
const withoutScore = (found: Partial<Found>): NotCompeting[] =>
  notCompeting({ tasks: [], runs: [], ...found }).filter(({ why }) => !isFlaw(why));

/** Whether a method can be marked as the best of a task. */
export const competes = (found: Found, task: string, method: string): boolean =>
  !notCompeting(found).some((run) => run.task === task && run.method === method);

/** How many runs of a method on a task have failed, and how many have no score for another reason. */
export function countMissing(found: Found, task: string, method: string): { failed: number; missing: number } {
  const own = withoutScore(found).filter((run) => run.task === task && run.method === method);
  const failed = own.filter(({ why }) => why === "failed").length;
  return { failed, missing: own.length - failed };
}

/** The words beside the score of these runs, with their number if it is not all. */
export function flawWords(runs: readonly Findings[], rows: MetricRows): string[] {
  return flawNames.flatMap((flaw) => {
    const count = runs.filter((run) => flawsOf(run, rows).includes(flaw)).length;
    return count === 0 ? [] : [count === runs.length ? FLAWS[flaw] : `${count} of ${runs.length} ${FLAWS[flaw]}`];
  });
}

/** The methods that have a score for each of their runs on these tasks. The others are left out of tests. */
export const methodsWithoutFailure = (
  { methods, failed = [], unfinished = [] }: Pick<Comparison, "methods" | "failed" | "unfinished">,
  tasks: ReadonlySet<string>,
): string[] => {
  const lacking = withoutScore({ failed, unfinished }).filter(({ task }) => tasks.has(task));
  return methods.filter((name) => !lacking.some(({ method }) => method === name));
};

/** Notes on the runs that do not compete, to print below the tables. */
export function competitionNotes(found: Found): string[] {
  return [...failureNotes(found), ...unfinishedNote(found), ...leftOutNote(found), ...flawNotes(found)];
}

/** Runs by task and method. */
export const byPair = <T extends Pick<RunId, "task" | "method">>(runs: readonly T[]): T[][] => [
  ...group(runs, ({ task, method }) => JSON.stringify([task, method])).values(),
];

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function failureNotes({ failed = [], unfinished = [], runs }: Found): string[] {
  return byPair(failed).map((those) => {
    const { task, method, reason } = those[0]!;
    const all = [...runs, ...failed, ...unfinished].filter((run) => run.task === task && run.method === method);
    return `${method} failed in ${those.length} of ${all.length} runs on ${task}. ${capital(seedsText(those[0]!))}: ${reason}`;
  });
}

const NAMED = 6;
const STATES: Readonly<Record<UnfinishedRun["state"], string>> = {
  running: "still running",
  stopped: "stopped",
  waiting: "not started",
  missing: "missing",
};

function unfinishedNote({ unfinished = [] }: Found): string[] {
  if (unfinished.length === 0) return [];
  const named = unfinished.map((run) => `${run.method} ${seedsText(run)} on ${run.task} (${STATES[run.state]})`);
  return [`Not finished, and not included: ${someOf(named, NAMED)}.`];
}

const leftOutNote = (found: Found): string[] =>
  withoutScore(found).length === 0
    ? []
    : [
        "Methods that lack runs of a task are not marked as best and in no test there: their other runs are a biased sample of the seeds.",
      ];

const MEANINGS: Readonly<Record<Flaw, string>> = {
  untrained: "untrained (no update changed the model that was kept)",
  constant: "constant (the same prediction for all rows)",
  constantLabels: "constant labels (all rows have the same label)",
};

/** What the words beside scores mean. */
function flawNotes(found: Found): string[] {
  const there = new Set(notCompeting(found).map(({ why }) => why));
  const meanings = flawNames.filter((flaw) => there.has(flaw)).map((flaw) => MEANINGS[flaw]);
  return meanings.length === 0 ? [] : [`Not marked as best: ${meanings.join(", ")}.`];
}
