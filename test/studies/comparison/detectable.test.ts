import { join } from "node:path";
import { expect, it } from "vitest";
import { seedsName } from "../../../src/base/records/index.js";
import { detectableIn, detectableText } from "../../../src/studies/comparison/results/detectable.js";
import { fresh } from "../../e2e/support.js";
import { writtenRun } from "./writtenRun.js";

const REFERENCES = [1, 2, 3, 4, 5, 6, 7, 9];

it("runs of a seed with several data seeds count for themselves, in the estimate and in its text", async () => {
  const pilot = fresh("pilot");
  for (const method of ["lora", "dora"])
    for (const dataSeed of [0, 1, 2])
      writtenRun(join(pilot, "t", method, seedsName({ seed: 0, dataSeed })), {
        settings: { task: "regression" },
        metrics: { meanSquaredError: 0.5, pearson: 0, spearman: 0 },
        rows: REFERENCES.map((reference, i) => [
          reference,
          reference + ((i * (method === "lora" ? 1 : 3)) % (dataSeed + 2)),
        ]),
      });
  const cells = [{ task: "t", settings: { model: "m", method: "lora", task: "regression" } }] as never;
  const facts = { reported: () => undefined } as never;
  const of = async (seeds: readonly number[], dataSeeds: readonly number[]) => {
    const spec = { tasks: [{ name: "t" }], seeds, dataSeeds, pilot, output: pilot };
    const found = await detectableIn(spec as never, cells, facts);
    return { found: found[0]!, text: detectableText(found, spec) };
  };
  const [one, five, crossed] = [await of([0], []), await of([0, 1, 2, 3, 4], []), await of([0], [0, 1, 2, 3, 4])];
  expect(one.found).toMatchObject({ difference: null, from: "a test over seeds needs at least 2" });
  expect(five.found.difference).toBeGreaterThan(0);
  expect(crossed.found.difference).toBe(five.found.difference);
  expect(five.text).toContain("with 5 seeds:\n");
  expect(crossed.text).toContain("with 1 seed and 5 data seeds, whose runs are taken as independent:\n");
});
