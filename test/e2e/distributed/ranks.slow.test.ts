// N ranks give what one process with the N-fold batch gives.
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { fresh, list } from "../support.js";
import { BATCH, CASES } from "./cases.js";
import { inOneGo, type Reported } from "./inOneGo.js";

const COMMON = { dtype: "float32", threads: 1, learningRate: 1e-2, maxSteps: 4, seed: 5 } as const;
const SIZES = [2, 3, 4];
/** Cases of more than two ranks. */
const OF_SIZE: Readonly<Record<number, readonly string[]>> = {
  3: ["lora with dropout", "bidora, cg", "ranking with negatives, mini-batches, full"],
  4: ["all weights, clipped", "questions", "bidora, cosent, cg"],
};
/** Each case runs with one number of ranks, or with all if BIDORA_RANKS=all. */
function casesFor(size: number): string[] {
  const others = Object.values(OF_SIZE).flat();
  return Object.keys(CASES).filter(
    (name) => process.env.BIDORA_RANKS === "all" || (OF_SIZE[size]?.includes(name) ?? !others.includes(name)),
  );
}

/** The end of the name of a case that is run a second time. */
const AGAIN = ", again";
/** The end of the name of a case that is run without training. */
const START = ", start";

/** With a state in 8 bits the last bit of a sum decides where a number is in the middle between two codes. */
const toleranceOf = (name: string): number => (name === "adamw8bit" ? 1e-3 : 1e-5);

type Runs = ReadonlyMap<string, Reported & { readonly output: string }>;

/** Changes of a run that leaves the trained tensors as they are at the start. */
const UNTRAINED = { learningRate: 0, maxSteps: 1 };

/** Makes runs of several cases, one after the other, on `size` ranks. @returns what rank 0 reports */
async function runAll(names: readonly string[], size: number): Promise<Runs> {
  const outputs = names.map(() => fresh());
  const runs = names.map((name, i) => {
    const own = { ...CASES[name.replace(AGAIN, "").replace(START, "")], output: outputs[i]! };
    return { ...COMMON, batchSize: BATCH / size, ...own, ...(name.endsWith(START) && UNTRAINED) };
  });
  const [first] = await inOneGo(size, () => runs);
  return new Map(names.map((name, i) => [name, { ...first![i]!, output: outputs[i]! }]));
}

function tensorsIn(folder: string): ReadonlyMap<string, readonly number[]> {
  const weights = openSafetensors(join(folder, list(folder).find((name) => name.endsWith(".safetensors"))!));
  const tensors = new Map([...weights.names].map((name) => [name, weights.readTensor(name).toArray()]));
  weights.close();
  return tensors;
}

/** The norm of the difference of all tensors together; of the shapes that both have, since AdaLoRA removes ranks. */
function distance(a: string, b: string): number {
  const other = tensorsIn(b);
  const squares = [...tensorsIn(a)].flatMap(([name, values]) => {
    const beside = other.get(name)!;
    return values.length === beside.length ? values.map((value, i) => (value - beside[i]!) ** 2) : [];
  });
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
}

describe.each(SIZES)("%i ranks give what one process with the whole batch gives", (size) => {
  const names = casesFor(size);
  const repeated = names[1] as string;
  let [alone, together]: Runs[] = [];
  beforeAll(async () => {
    const ofOne = [...names, ...names.map((name) => `${name}${START}`)];
    [alone, together] = await Promise.all([runAll(ofOne, 1), runAll([...names, `${repeated}${AGAIN}`], size)]);
  }, 1_800_000);

  test.each(names)("%s", (name) => {
    const [one, all] = [alone!.get(name)!, together!.get(name)!];
    expect([one.error, all.error]).toEqual([undefined, undefined]);
    expect(all.losses.length).toBe(one.losses.length);
    const scale = Math.max(...one.losses);
    for (const [i, loss] of all.losses.entries())
      expect(Math.abs(loss - one.losses[i]!) / scale).toBeLessThan(toleranceOf(name));
    const update = distance(one.output, alone!.get(`${name}${START}`)!.output);
    expect(distance(all.output, one.output) / update).toBeLessThan(toleranceOf(name));
  });

  test("the same bits once more", () => {
    const [once, again] = [repeated, `${repeated}${AGAIN}`].map((name) => tensorsIn(together!.get(name)!.output));
    expect(again).toEqual(once);
  });
});
