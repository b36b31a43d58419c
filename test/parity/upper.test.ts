import { join } from "node:path";
import { expect, test } from "vitest";
import type { Method, UpperGroup } from "../../src/tasks/config/index.js";
import { Sources } from "../../src/tasks/data/sources.js";
import type { EncodedExample } from "../../src/tasks/index.js";
import { levelsOf, type TwoLevels } from "../../src/training/loop/levels.js";
import { SourceWeights } from "../../src/training/steps/sourceWeights.js";
import type { StepReport } from "../../src/training/steps/stepRule.js";
import type { Snapshot } from "../../src/training/steps/trainedTensors.js";
import { few } from "../support/few.js";
import { GOLDEN, readJson, readTensors } from "./goldenFiles.js";
import { type Adapted, openAdapted } from "./support/adapted.js";
import { type BilevelCase, section } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeLanguageRows, encodeRows } from "./support/rows.js";

interface Case extends BilevelCase {
  readonly family: string;
  readonly group: UpperGroup;
  /** The source of each row. */
  readonly sources: readonly number[] | null;
}

const FOLDER = join(GOLDEN, "upper");
const cases = readJson<readonly Case[]>(join(FOLDER, "upper.json"));

function levelsFor({ group, sources }: Case, { adapted, model }: Adapted, rows: readonly EncodedExample[]): TwoLevels {
  const byLine = new Map(sources?.map((source, i) => [rows[i]!.at.line, String(source)]));
  const sourceWeights = sources
    ? new SourceWeights(new Sources(rows[0]!.at.file, byLine), "float32", model.device)
    : undefined;
  const run = { method: adapted.config!.method as Method, upper: group };
  return levelsOf(run, { adapted, headModules: model.headModules, sourceWeights })!;
}

const ofLog = (log: readonly object[], key: keyof StepReport) =>
  log.map((entry) => (entry as StepReport)[key] as number);

function expectPhase(
  reports: readonly StepReport[],
  log: readonly object[],
  keys: readonly (keyof StepReport)[],
): void {
  for (const key of keys) expectLog(ofLog(reports, key), ofLog(log, key), 1e-4, key);
}

const pick = (all: Snapshot, members: TwoLevels["lower"]): Snapshot =>
  new Map(members.map(({ name }) => [name, all.get(name)!]));

test.each(few(cases, 7))("$family $name: search and retraining with another upper level", async (entry) => {
  const { family, settings, log, checkpoint } = entry;
  const { terms, maxGradNorm: _, damping: _damping, ...others } = settings;
  const isLanguage = checkpoint === "lm";
  const golden = readTensors(join(FOLDER, entry.file));
  const rows = await (isLanguage ? encodeLanguageRows : encodeRows)(family, {
    ...entry,
    maxLength: settings.maxLength,
  });
  const problem = await openAdapted(family, entry);
  const levels = levelsFor(entry, problem, rows);

  const method = problem.adapted.config!.method as Method;
  const run = { ...others, method, upper: entry.group, hypergradientTerms: terms, sourceColumn: "from" };
  const { start, phases } = runPhases(problem, rows, run, isLanguage ? "causal-lm" : undefined, levels);

  const [search, retrain] = phases;
  expectPhase(search!.reports, log.search, ["loss", "upperLoss", "hypergradientNorm", "learningRate"]);
  expectPhase(retrain!.reports, log.retrain, ["loss", "learningRate"]);
  const found = section(golden, "search");
  for (const level of [levels.lower, levels.upper])
    expect(updateError(pick(start, level), pick(search!.end, level), pick(found, level))).toBeLessThan(1e-3);
  const final = section(golden, "final");
  expect(updateError(pick(start, levels.lower), pick(retrain!.end, levels.lower), final)).toBeLessThan(1e-3);
  for (const { name } of levels.upper)
    expect(retrain!.end.get(name)!.toArray(), name).toEqual(search!.end.get(name)!.toArray());
});
