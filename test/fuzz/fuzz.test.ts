// Inputs that faults were found with stay without fault, and a short part of what npm run fuzz does.
import { existsSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { liveHandles } from "../../src/torch/index.js";
import { collectGarbage } from "../formats/garbage.js";
import { freshPath } from "../support/workFolder.js";
import { fuzz } from "./campaign.js";
import { removeWorkFolder } from "./files.js";
import { FOUND, foundInputs } from "./found.js";
import { faultOf } from "./judge.js";
import { TARGETS } from "./targets/index.js";

beforeAll(() => {
  vi.stubEnv("BIDORA_HOME", freshPath("home"));
});
afterAll(removeWorkFolder);
const start = process.cwd();
afterEach(() => process.chdir(start));

describe.skipIf(!existsSync(FOUND))("inputs that were taken wrongly once", () => {
  test.each(existsSync(FOUND) ? foundInputs() : [])("$name: $fault", async ({ target: name, input }) => {
    const target = TARGETS.find((one) => one.name === name);
    await target?.open?.();
    try {
      expect(await faultOf(() => target?.run(input))).toBeUndefined();
    } finally {
      await target?.close?.();
    }
  });
});

describe("inputs from a seed", () => {
  test.each(TARGETS)("$name", async (target) => {
    const { runs, finds } = await fuzz(target, { seed: 7, runs: target.inTests });
    expect(finds).toEqual([]);
    expect(runs).toBe(target.inTests);
  });

  test("a fault is found, and its input reduced", async () => {
    const { default: fc } = await import("fast-check");
    const run = (input: string): void => {
      if (input.includes("b")) throw new TypeError("Cannot read properties of undefined");
    };
    const { finds } = await fuzz(
      { name: "broken", inTests: 0, inputs: fc.stringMatching(/^[abc]{0,9}$/), run },
      { seed: 7, runs: 100 },
    );
    expect(finds).toMatchObject([
      { target: "broken", input: "b", fault: expect.stringMatching(/^not a BidoraError: TypeError/) },
    ]);
  });

  test("tensors that are left over are a fault", async () => {
    const { Generator } = await import("../../src/torch/index.js");
    const kept: unknown[] = [];
    // what earlier inputs left may be released over several turns
    let before: number;
    do {
      before = liveHandles();
      collectGarbage();
      await setTimeout(20);
    } while (liveHandles() !== before);
    expect(await faultOf(() => void kept.push(new Generator(1)))).toBe("1 live tensors are left over");
    expect(liveHandles()).toBeGreaterThan(before);
  });
});
