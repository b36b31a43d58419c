import { expect, test } from "vitest";
import { resolveRun } from "../../src/config/index.js";
import { renderModelCard } from "../../src/run/modelCard.js";

test("a model card shows a label's control characters and holds none", () => {
  const card = renderModelCard({
    config: resolveRun({ model: "M", task: "sequence-classification", train: "t.csv" }),
    isForPeft: true,
    labels: ["a\u001b[31m", "b\u009b1m"],
    rows: { train: 1 },
    parameters: { total: 2, trained: 1 },
    metrics: { accuracy: 1 },
    versions: { bidora: "1", node: "1", libtorch: "1", onednn: "1", blas: "1" } as never,
    machine: { processor: "p", threads: 1 } as never,
  });
  expect(card).toContain("`a\\x1b[31m`, `b\\x9b1m`");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(card).not.toMatch(/[\u001b\u009b]/);
});
