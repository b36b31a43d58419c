import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chrf, chrfPlusPlus } from "../../../src/tasks/metrics/index.js";
import { over } from "./feed.js";

interface Values {
  readonly chrf: number;
  readonly chrfPlusPlus: number;
}

interface Golden {
  readonly rows: readonly (Values & { readonly references: string[]; readonly prediction: string })[];
  readonly total: Values;
}

const golden = JSON.parse(readFileSync(new URL("../../golden/metrics/chrf.json", import.meta.url), "utf8")) as Golden;

describe.each([
  ["chrf", chrf],
  ["chrfPlusPlus", chrfPlusPlus],
] as const)("%s matches sacrebleu", (name, make) => {
  it.each(golden.rows)("$prediction against $references", ({ references, prediction, [name]: value }) => {
    const found = over(make(), [references], [prediction]);
    expect(Object.keys(found)).toStrictEqual([name]);
    expect(found[name]).toBeCloseTo(value, 14);
  });

  it("over all rows", () => {
    const found = over(
      make(),
      golden.rows.map(({ references }) => references),
      golden.rows.map(({ prediction }) => prediction),
    );
    expect(found[name]).toBeCloseTo(golden.total[name], 14);
  });

  it("and is declared as better when higher", () => {
    expect(make().values).toStrictEqual({ [name]: { goal: "maximize" } });
  });

  it("of rows, none of which may lack references, and not of no rows", () => {
    expect(() => make().measure([], "a", 7)).toThrow(/at least one reference in row 7/);
    expect(() => make().result([])).toThrow(/at least one row/);
  });
});
