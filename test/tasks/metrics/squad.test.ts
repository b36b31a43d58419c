import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { squad } from "../../../src/tasks/metrics/index.js";
import { normalizeAnswer } from "../../../src/tasks/metrics/squad.js";
import { over } from "./feed.js";

interface Golden {
  rows: { references: string[]; prediction: string; exactMatch: number; f1: number }[];
  total: { exactMatch: number; f1: number };
}

const golden = JSON.parse(readFileSync(new URL("../../golden/metrics/squad.json", import.meta.url), "utf8")) as Golden;

describe("answer scores match SQuAD's script", () => {
  it.each(golden.rows)("$prediction against $references", ({ references, prediction, exactMatch, f1 }) => {
    expect(over(squad(), [references], [prediction])).toStrictEqual({ exactMatch, f1 });
  });

  it("are means over rows", () => {
    const { rows, total } = golden;
    const found = over(
      squad(),
      rows.map(({ references }) => references),
      rows.map(({ prediction }) => prediction),
    );
    expect(found).toStrictEqual(total);
  });

  it("ignore punctuation, articles and extra whitespace", () => {
    expect(normalizeAnswer("  The \u2003U.S. (a.k.a.\tan 'island')\n")).toBe("us aka island");
  });
});
