import { expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import type { StepReport } from "../../src/training/steps/stepRule.js";
import { restoreSnapshot, type Snapshot } from "../../src/training/steps/trainedTensors.js";
import { few } from "../support/few.js";
import { openAdapted } from "./support/adapted.js";
import { ofRole, penaltyOf } from "./support/bilevel.js";
import { type BilevelCase, casesOf, goldenTensors, section } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeLanguageRows, encodeRows } from "./support/rows.js";

type Case = BilevelCase & { readonly family: string };

function planOf({ terms, maxGradNorm, damping: _, ...settings }: Case["settings"]) {
  return { ...settings, method: "bidora" as const, hypergradientTerms: terms, maxGradNorm: maxGradNorm ?? undefined };
}

function expectLogs(reports: readonly StepReport[], log: Case["log"]["search" | "retrain"]): void {
  for (const key of ["loss", "upperLoss", "hypergradientNorm", "learningRate"] as const) {
    const expected = log.map((entry) => (entry as Partial<StepReport>)[key]).filter((value) => value !== undefined);
    if (expected.length > 0)
      expectLog(
        reports.map((report) => report[key] as number),
        expected,
        1e-4,
        key,
      );
  }
}

test.each(few(casesOf("bidora"), 16))("$family $name: search and retrain", async (entry) => {
  const { family, settings, log } = entry;
  const golden = goldenTensors(family, entry.file);
  const problem = await openAdapted(family, entry, { ...entry, start: section(golden, "start") });
  const [encode, kind] =
    entry.checkpoint === "lm" ? ([encodeLanguageRows, "causal-lm"] as const) : ([encodeRows, undefined] as const);
  const rows = await encode(family, { ...entry, maxLength: settings.maxLength });

  const { start, phases } = runPhases(problem, rows, planOf(settings), kind);

  const [search, retrain] = phases;
  expectLogs(search!.reports, log.search);
  expect(updateError(start, search!.end, section(golden, "search"))).toBeLessThan(1e-3);
  expect(phases.length).toBe(settings.retrainSteps === 0 ? 1 : 2);
  if (!retrain) return;

  expectLogs(retrain.reports, log.retrain);
  const directions = (all: Snapshot) => pick(all, ofRole(problem.adapted, "direction"));
  const magnitudes = (all: Snapshot) => pick(all, ofRole(problem.adapted, "magnitude"));
  expect(updateError(directions(start), directions(retrain.end), section(golden, "final"))).toBeLessThan(1e-3);
  for (const [name, tensor] of magnitudes(retrain.end)) {
    expect(tensor.toArray(), name).toEqual(search!.end.get(name)!.toArray());
  }
});

test("the regularizer acts in both phases, and is not part of the reported loss", async () => {
  const [entry] = casesOf("bidora") as [Case];
  const { family, settings } = entry;
  const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
  const run = async (regularizer: number) => {
    const problem = await openAdapted(family, entry, entry);
    const { phases } = runPhases(problem, rows, { ...planOf(settings), regularizer });
    const penalty = penaltyOf(problem.adapted, 1);
    return phases.map(({ reports, end }) => {
      restoreSnapshot(problem.adapted.trained, end);
      return { first: reports[0]!.loss, r: torch.noGrad(penalty).item() };
    });
  };
  const [free, bound] = [await run(0), await run(1)];
  for (const [i, { first, r }] of bound.entries()) {
    expect(r).toBeLessThan(free[i]!.r - 1e-3);
    if (i === 0) expect(first).toBe(free[i]!.first);
  }
});

function pick(all: Snapshot, members: readonly { readonly name: string }[]): Snapshot {
  return new Map(members.map(({ name }) => [name, all.get(name)!]));
}
