// Runs the kernels' tests again with every other ISA variant that this processor has.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addonPath } from "../../src/torch/engines/index.js";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native.js";

const { isaVariant, isaVariants } = torch.engineFacts();
const FILES = [
  "activation",
  "attention",
  "attentionCached",
  "directionNorm",
  "dropout",
  "lowRank",
  "orthogonality",
  "rotary",
  "tangents",
];

test("the best ISA variant is used by default, and an unknown one is refused with the list of names", () => {
  expect(isaVariants[0]).toBe("baseline");
  expect(isaVariant).toBe(process.env.BIDORA_CPU || isaVariants.at(-1));
  expect(() => native.setIsaVariant("avx1024")).toThrow(
    `this processor supports (${isaVariants.join(", ")}), got avx1024`,
  );
});

describe.each(isaVariants.filter((variant) => variant !== isaVariant))("%s", async (variant) => {
  beforeAll(() => native.setIsaVariant(variant));
  afterAll(() => native.setIsaVariant(isaVariant));
  test("is in use", () => expect(torch.engineFacts().isaVariant).toBe(variant));
  for (const file of FILES) await import(/* @vite-ignore */ `./${file}.test.ts?${variant}`);
});

// The linker keeps one copy of a function that several objects define: with another variant's instructions it could end the process.
test("an ISA variant's objects define nothing outside their own namespace", () => {
  const folder = join(dirname(addonPath()), "CMakeFiles");
  const variants = readdirSync(folder).filter((name) => name.startsWith("isa_"));
  expect(variants.length).toBeGreaterThanOrEqual(isaVariants.length);
  for (const name of variants) {
    const variant = name.slice("isa_".length, -".dir".length);
    const own = new RegExp(`^(_Z\\w*6bidora${variant.length}${variant}|\\.L|\\.omp_)`);
    const objects = readdirSync(join(folder, name, "kernels"), { recursive: true, encoding: "utf8" }).filter((path) =>
      path.endsWith(".o"),
    );
    expect(objects.length).toBeGreaterThan(5);
    for (const object of objects) {
      const symbols = execFileSync("nm", ["--defined-only", "--format=posix", join(folder, name, "kernels", object)], {
        encoding: "utf8",
      });
      const shared = symbols
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]!)
        .filter((symbol) => !symbol.startsWith("DW.ref."));
      expect(shared.filter((symbol) => !own.test(symbol))).toEqual([]);
      expect(shared.length).toBeGreaterThan(0);
    }
  }
});
