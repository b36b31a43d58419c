// Two ranks in one process: what each gathers is passed on by hand.
import { closeSync, copyFileSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";
import { freshPath } from "../support/workFolder.js";

/** A rank of two that gathers these values, one after the other. */
const rankWith = (rank: number, ...gathered: readonly ((own: never) => readonly unknown[])[]): torch.Ranks => {
  const left = [...gathered];
  return { ...torch.ALONE, rank, size: 2, gather: <T>(own: T) => left.shift()?.(own as never) as readonly T[] };
};

const makers = () => [
  () => [torch.tensor([1, 2, 3], [3]), torch.tensor([7, 8], [2, 1], "int64")],
  () => [torch.castTo(torch.tensor([0.5, -4]), "bfloat16")],
];
const notCalled = [
  () => {
    throw new Error("a maker was called");
  },
];

/** The files that the makers are said to read. */
const FILES = [fileURLToPath(import.meta.url)];

const numbers = (made: readonly (readonly torch.Tensor[])[]) =>
  made.map((tensors) => tensors.map((tensor) => [tensor.dtype, tensor.shape, tensor.toArray()]));
const mappings = () => readFileSync("/proc/self/maps", "utf8").split("memfd:bidora").length - 1;

interface Own {
  readonly source: string;
  readonly path: string;
}

/** What rank 0 makes, and what rank 1 needs to map it. */
async function firstRank() {
  let seen: { own: Own; layout: unknown; memory: number } | undefined;
  let first: Own | undefined;
  const ranks = rankWith(
    0,
    (own: Own) => {
      first = own;
      return [own, own];
    },
    (layout: unknown) => {
      seen = { own: first as Own, layout, memory: openSync((first as Own).path, "r") };
      return [layout, undefined];
    },
  );
  const made = await torch.sharedTensors(ranks, FILES, makers());
  return { made, ...(seen as NonNullable<typeof seen>) };
}

const secondRank = (
  own: Own,
  layout: unknown,
  make: Parameters<typeof torch.sharedTensors>[2] = notCalled,
  files: readonly string[] = FILES,
) =>
  torch.sharedTensors(
    rankWith(
      1,
      (ours: Own) => [own, ours],
      () => [layout, undefined],
    ),
    files,
    make,
  );

const release = (...all: readonly (readonly (readonly torch.Tensor[])[])[]) => {
  for (const tensor of all.flat(2)) tensor.dispose();
};

test("the ranks of a machine hold the same memory, which is gone when both have released it", async () => {
  const before = mappings();
  const { made, own, layout, memory } = await firstRank();
  const others = await secondRank({ ...own, path: `/proc/self/fd/${memory}` }, layout);
  closeSync(memory);
  const alone = await torch.sharedTensors(torch.ALONE, FILES, makers());
  expect(numbers(made)).toEqual(numbers(alone));
  expect(numbers(others)).toEqual(numbers(alone));
  expect(mappings()).toBe(before + 6);
  release(made, others, alone);
  expect(mappings()).toBe(before);
});

test("what one rank changes is its own", async () => {
  const { made, own, layout, memory } = await firstRank();
  const others = await secondRank({ ...own, path: `/proc/self/fd/${memory}` }, layout);
  torch.noGrad(() => torch.scope(() => void torch.mulScalar_(others[0]?.[0] as torch.Tensor, 2)));
  expect([made, others].map((all) => all[0]?.[0]?.toArray())).toEqual([
    [1, 2, 3],
    [2, 4, 6],
  ]);
  expect(() => torch.writeFile(made[0]?.[0] as torch.Tensor, memory, 0)).toThrow("could not write");
  closeSync(memory);
  release(made, others);
});

test("a rank that can't open the memory, or is elsewhere, makes its own tensors", async () => {
  const { made, own, layout, memory } = await firstRank();
  const other = openSync(freshPath("other"), "w+");
  for (const place of [
    { ...own, path: "/proc/self/fd/99999" },
    { ...own, path: `/proc/self/fd/${other}` },
    { ...own, source: "another", path: `/proc/self/fd/${memory}` },
  ]) {
    const others = await secondRank(place, layout, makers());
    expect(numbers(others)).toEqual(numbers(made));
    release(others);
  }
  closeSync(other);
  closeSync(memory);
  release(made);
});

test("a rank that reads other files makes its own tensors, be they the same size", async () => {
  const { made, own, layout, memory } = await firstRank();
  const copy = freshPath("copy");
  copyFileSync(FILES[0] as string, copy);
  const make = () => [() => [torch.tensor([4])]];
  const others = await secondRank({ ...own, path: `/proc/self/fd/${memory}` }, layout, make(), [copy]);
  expect(numbers(others)).toEqual([[["float32", [1], [4]]]]);
  closeSync(memory);
  release(made, others);
});

test("memory that can't be written is one sentence", async () => {
  const sealed = native.newSharedMemory();
  native.sealSharedMemory(sealed);
  const { newSharedMemory } = native;
  native.newSharedMemory = () => sealed;
  try {
    await expect(firstRank()).rejects.toMatchObject({
      code: "MEMORY",
      message: expect.stringMatching(
        /^The model does not fit in the memory that the ranks of this machine share: .*\.$/,
      ),
    });
  } finally {
    native.newSharedMemory = newSharedMemory;
  }
});
