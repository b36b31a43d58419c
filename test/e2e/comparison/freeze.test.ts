import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import type { FrozenPlan } from "../../../src/base/records/index.js";
import { fresh, json } from "../support.js";
import { file } from "./small.js";

const flags = { runFile: file, methods: ["lora"], maxSteps: 1 };

test("a plan that was changed, or is another than the runs have, is refused", async () => {
  const [folder, output] = [fresh("plans"), fresh("frozen")];
  const [plan, other] = [join(folder, "plan.json"), join(folder, "other.json")];
  await compare({ ...flags, freeze: plan, dryRun: true, output });
  const { sha256, ...found } = json<FrozenPlan>(plan);
  expect(found).toMatchObject({ methods: ["lora"], seeds: [0], begun: [], tasks: [{ metric: "accuracy" }] });
  expect(json<FrozenPlan>(join(output, "comparison-frozen.json"))).toEqual({ sha256, ...found });
  await compare({ ...flags, freeze: other, seeds: [5], dryRun: true, output: fresh("elsewhere") });
  await expect(compare({ ...flags, freeze: other, dryRun: true, output })).rejects.toThrow(
    /have the frozen plan .*, and --freeze/,
  );
  writeFileSync(plan, readFileSync(plan, "utf8").replace('"lora"', '"dora"'));
  await expect(compare({ ...flags, freeze: plan, dryRun: true, output })).rejects.toThrow(
    /is not a plan as --freeze wrote it/,
  );
  const missing = join(folder, "missing.json");
  await expect(compare({ ...flags, freeze: missing, collect: true, output })).rejects.toThrow("missing.json");
  expect(existsSync(missing)).toBe(false);
}, 100_000);
