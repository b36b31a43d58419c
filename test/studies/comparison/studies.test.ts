import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { expectEffects } from "./effects.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const found = readdirSync(join(root, "docs/results"), { recursive: true, encoding: "utf8" });
const files = found.filter((name) => name.endsWith(".yaml")).map((name) => join("docs/results", name));
const page = ["results.md", "results/appendix.md"]
  .map((name) => readFileSync(join(root, "docs", name), "utf8"))
  .join("\n");

describe.each(files)("the study in %s", (name) => {
  const spec = readSpec(
    readFileSync(join(root, name), "utf8").includes("model:") ? {} : { model: "M" },
    join(root, name),
  );

  it("says of every run what has an effect there", async () => {
    await expectEffects(spec, 800);
  });

  it("is linked from the results or their appendix, with its table once results exist", () => {
    expect(page).toContain(`npx bidora compare ${name} `);
    const study = dirname(name);
    const isMade = existsSync(join(root, study, "comparison.json"));
    expect(page.includes(`<!-- generated: results ${study.split("/").at(-1)} -->`)).toBe(isMade);
  });

  it("has a table of only the methods and tasks in its file", () => {
    const path = join(root, dirname(name), "comparison.json");
    if (!existsSync(path)) return;
    const { methods } = JSON.parse(readFileSync(path, "utf8")) as { methods: readonly string[] };
    expect(spec.variants.map((variant) => variant.name)).toEqual(expect.arrayContaining([...methods]));
  });
});
