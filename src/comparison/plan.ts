import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { BidoraError } from "../common/errors.js";
import { statOf } from "../common/fileSystem.js";
import { type RunSettings, readRunFile, resolveRun } from "../config/index.js";
import { sha256OfFile } from "../files/checksums.js";
import { hasStepCosts, PLAN, type PlannedRun, readPlan, writePlan } from "../files/comparisonFolder.js";
import type { JsonObject } from "../files/json.js";
import { RUN_FILE } from "../files/names.js";
import { contentsOf } from "../files/outputFolder.js";
import { isRunFolder } from "../files/runFolder.js";
import type { Cell } from "./cells.js";

/** Settings that do not make another run of it. */
const BESIDE: ReadonlySet<string> = new Set(["output", "threads", "saveEvery", "keepCheckpoints"]);

/** @throws BidoraError `OUTPUT_IN_USE` for a folder of another's */
export function checkComparisonFolder(folder: string): void {
  const isOwn = !existsSync(folder) || existsSync(join(folder, PLAN)) || hasStepCosts(folder);
  if (isOwn || contentsOf(folder).length === 0) return;
  throw new BidoraError(
    "OUTPUT_IN_USE",
    `--output ${folder} is not empty, and no comparison of bidora's (it has no ${PLAN}): name another folder.`,
  );
}

/**
 * Keeps what cells are asked for with, once they are found good.
 * @throws BidoraError `COMPARISON` as `checkBegun`
 */
export async function savePlan(folder: string, cells: readonly Cell[]): Promise<void> {
  const planned = { ...readPlan(folder), ...(await checkStarted(folder, cells)) };
  writePlan(folder, planned);
}

/**
 * A run that has begun must have been asked for with the same, on the same rows and model, and be what was asked for: else what is
 * compared would not be what the table says.
 * @param tried settings that a grid chooses, which may have come out in another way
 * @returns what the cells are asked for with
 * @throws BidoraError `COMPARISON` naming the run and what differs
 */
export async function checkStarted(
  folder: string,
  cells: readonly Cell[],
  tried: readonly string[] = [],
): Promise<Record<string, PlannedRun>> {
  const known = readPlan(folder);
  const digests = new Map<string, Promise<string>>();
  const found: Record<string, PlannedRun> = {};
  for (const cell of cells) {
    const name = relative(folder, cell.folder);
    const own = { settings: askedFor(cell.settings), data: await dataOf(cell.settings, digests) };
    found[name] = own;
    if (!isRunFolder(cell.folder)) continue;
    const before = begunAs(cell.folder, known, name);
    refuseChanged(cell.folder, before, own, tried);
    refuseEdited(cell.folder, before);
  }
  return found;
}

/**
 * Refuses runs that stand in the place of those that were asked for, before they are summed up; a folder without a plan says nothing
 * of what was.
 * @throws BidoraError `COMPARISON` naming the run and what differs
 */
export function refuseForeignRuns(folder: string, runs: readonly Pick<Cell, "folder">[]): void {
  if (!existsSync(join(folder, PLAN))) return;
  const known = readPlan(folder);
  for (const run of runs)
    if (isRunFolder(run.folder)) refuseEdited(run.folder, begunAs(run.folder, known, relative(folder, run.folder)));
}

/** @throws BidoraError `COMPARISON` for a run that no plan knows */
function begunAs(folder: string, known: Readonly<Record<string, PlannedRun>>, name: string): PlannedRun {
  const before = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!before) throw strange(folder, "this comparison did not begin it");
  return before;
}

const askedFor = (settings: RunSettings): JsonObject =>
  JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(settings).filter(([key]) => !BESIDE.has(key)))));

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function refuseChanged(folder: string, before: PlannedRun, now: PlannedRun, tried: readonly string[]): void {
  const differing = (a: JsonObject, b: JsonObject) =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !isSame(a[key], b[key]));
  const settings = differing(before.settings, now.settings)
    .filter((key) => !tried.includes(key))
    .map((key) => `${key} ${shown(before.settings[key])}, now ${shown(now.settings[key])}`);
  const data = differing(before.data, now.data).map((file) => `what is in ${file}`);
  const changed = [...settings, ...data];
  if (changed.length === 0) return;
  throw new BidoraError(
    "COMPARISON",
    `${folder} was begun with something else (${changed.join("; ")}): name another --output, or remove that folder.`,
  );
}

/** Settings that model and data make something else of. */
const FOUND: ReadonlySet<string> = new Set<keyof RunSettings>([
  "task",
  "textColumns",
  "labelColumn",
  "maxLength",
  "dtype",
  "targetModules",
]);

/** Refuses a run that stands in the place of the one that was asked for. */
function refuseEdited(folder: string, { settings }: PlannedRun): void {
  const path = join(folder, RUN_FILE);
  // A run that was ended before its first step has none.
  if (!existsSync(path)) return;
  const [asked, made] = [resolveRun(settings as RunSettings), readRunFile(path)];
  const keys = Object.keys({ ...settings, ...made }) as (keyof RunSettings)[];
  const key = keys.find((key) => !BESIDE.has(key) && !FOUND.has(key) && !isSame(asked[key], made[key]));
  if (key === undefined) return;
  throw strange(folder, `its ${RUN_FILE} says ${key} ${shown(made[key])}, asked for was ${shown(asked[key])}`);
}

const strange = (folder: string, why: string): BidoraError =>
  new BidoraError(
    "COMPARISON",
    `${folder} is another run than this comparison's (${why}): move it away, or name another --output.`,
  );

const shown = (value: unknown): string => (value === undefined ? "not set" : JSON.stringify(value));

/** The files of this machine with a run's rows and its model, and what is in them. */
async function dataOf(
  { model, data, train, validation, test }: RunSettings,
  digests: Map<string, Promise<string>>,
): Promise<JsonObject> {
  const files = [model, data, train, validation, test].filter((path) => path !== undefined).flatMap(filesOf);
  const found: Record<string, string> = {};
  for (const file of files) {
    const digest = digests.get(file) ?? sha256OfFile(file);
    digests.set(file, digest);
    found[file] = await digest;
  }
  return found;
}

/** Links are followed: the Hub's cache, for one, has nothing else in a model's folder. */
function filesOf(path: string): string[] {
  if (!statOf(path)?.isDirectory()) return statOf(path) ? [path] : [];
  const inside = readdirSync(path, { encoding: "utf8", recursive: true }).map((name) => join(path, name));
  return inside.filter((file) => statOf(file)?.isFile()).sort();
}
