// Tasks of a comparison that share rows, by what their runs recorded.
import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { own } from "../../../base/index.js";
import {
  type ComparedTask,
  type RowGroup,
  RUN_FILE,
  readPlan,
  readRowRecord,
  type SharedRows,
} from "../../../base/records/index.js";
import { readRunFile } from "../../../tasks/config/index.js";
import type { CollectedRun } from "./collectRuns.js";

/** Keys of the rows of a task that its runs trained on and that scores are of, and of its files. */
interface TaskRows {
  readonly task: string;
  readonly trained: ReadonlySet<string>;
  readonly evaluated: ReadonlySet<string>;
  readonly files: ReadonlySet<string>;
}

type Run = Pick<CollectedRun, "task" | "folder">;

/**
 * The groups of tasks that share rows, directly or through other tasks. Runs of earlier versions recorded no rows: they are compared by
 * their files.
 */
export function rowGroupsOf(tasks: readonly Pick<ComparedTask, "name" | "rows">[], runs: readonly Run[]): RowGroup[] {
  const found = tasks.map(({ name, rows }) => rowsOf(name, rows?.split ?? "validation", runs));
  let groups: (readonly TaskRows[])[] = [];
  for (const one of found) {
    const near = groups.filter((group) => group.some((other) => sharedBy(one, other).length > 0));
    groups = [...groups.filter((group) => !near.includes(group)), [...near.flat(), one]];
  }
  return groups
    .filter((group) => group.length > 1)
    .map((group) => rowGroup(found.filter((one) => group.includes(one))));
}

function rowGroup(group: readonly TaskRows[]): RowGroup {
  const shared = group.flatMap((one, i) => group.slice(i + 1).flatMap((other) => sharedBy(one, other)));
  return { tasks: group.map(({ task }) => task), share: [...new Set(shared)] };
}

function sharedBy(a: TaskRows, b: TaskRows): SharedRows[] {
  const shared: SharedRows[] = [];
  if (meet(a.trained, b.trained)) shared.push("training rows");
  if (meet(a.evaluated, b.evaluated)) shared.push("evaluated rows");
  if (meet(a.trained, b.evaluated) || meet(a.evaluated, b.trained))
    shared.push("rows that one trains on and another evaluates");
  // Other columns of the same files are other rows, which are not independent either.
  return shared.length === 0 && meet(a.files, b.files) ? ["files"] : shared;
}

function meet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const key of a) if (b.has(key)) return true;
  return false;
}

function rowsOf(task: string, split: "validation" | "test", runs: readonly Run[]): TaskRows {
  const [trained, evaluated, files] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const { folder } of runs.filter((run) => run.task === task)) {
    const record = readRowRecord(folder);
    for (const key of record?.train.keys ?? []) trained.add(key);
    for (const key of record?.[split]?.keys ?? []) evaluated.add(key);
    for (const key of filesOf(folder, split, record !== undefined)) files.add(key);
  }
  return { task, trained, evaluated, files };
}

/**
 * The paths of a run's files. For a run that recorded no rows also the folder of its data set, which can have the files of others too, and the
 * checksums that its comparison planned it with.
 */
function filesOf(folder: string, split: "validation" | "test", hasRecord: boolean): string[] {
  const path = join(folder, RUN_FILE);
  if (!existsSync(path)) return [];
  const { data, train, [split]: evaluated } = readRunFile(path);
  const files = [train, evaluated].filter((file) => file !== undefined);
  const paths = files.map((file) => resolve(file));
  if (hasRecord) return paths;
  return [...paths, ...(data === undefined ? [] : [resolve(data)]), ...checksumsOf(folder, files)];
}

function checksumsOf(folder: string, files: readonly string[]): string[] {
  const output = resolve(folder, "../../.."); // of TASK/METHOD/seed-N
  const { data = {} } = own(readPlan(output), relative(output, folder)) ?? {};
  return files.flatMap((file) => own(data, file) ?? []).map(String);
}
