// Tensors that the ranks of a machine hold in the same memory.
import { closeSync, fstatSync, openSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BidoraError } from "../../base/index.js";
import type { DType } from "../dtype.js";
import { native } from "../native/native.js";
import { keep, scope } from "../ownership.js";
import { mapFile, type Tensor, writeFile } from "../tensor.js";
import type { Ranks } from "./ranks.js";

/** Makes the tensors of one weight. */
export type MakeTensors = () => readonly Tensor[];

type Made = readonly (readonly Tensor[])[];

/** Where a tensor is in the shared memory. */
interface Placed {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly position: number;
}

/** What is in the shared memory. */
interface Layout {
  readonly placed: readonly (readonly Placed[])[];
  readonly bytes: number;
}

/**
 * Makes tensors, all of them on the CPU, that are not going to change, or in few places: of the ranks of a machine the first makes them in memory that
 * the others map. A page that a rank changes all the same is its own from then on. The memory has no name in any folder, and is
 * free once no rank uses it, however they end. Ranks that can't see each other's memory, as in separate containers, make their own, and
 * so do ranks with other files: whether these have the same contents is not known here.
 * @param files the paths of the files that the makers read
 * @param makers the same on all ranks
 * @returns what the makers return
 * @throws BidoraError `MEMORY` if the memory does not suffice
 */
export async function sharedTensors(
  ranks: Ranks,
  files: readonly string[],
  makers: readonly MakeTensors[],
): Promise<Made> {
  if (ranks.size === 1) return made(makers);
  const memory = native.newSharedMemory();
  try {
    return await sharedIn(memory, ranks, { files, makers });
  } finally {
    closeSync(memory);
  }
}

async function sharedIn(
  memory: number,
  ranks: Ranks,
  { files, makers }: { readonly files: readonly string[]; readonly makers: readonly MakeTensors[] },
): Promise<Made> {
  const source = [machineOf(), ...files.map(identityOf)].join(" ");
  const own = { source, path: `/proc/${process.pid}/fd/${memory}` };
  const all = ranks.gather(own);
  const first = all.findIndex((other) => other.source === source);
  const isShared = all.filter((other) => other.source === source).length > 1;
  if (first === ranks.rank) {
    const layout = isShared ? await written(makers, memory) : undefined;
    ranks.gather(layout);
    return layout ? mapped(memory, layout) : made(makers);
  }
  const others = opened(all[first]?.path as string);
  try {
    const layout = ranks.gather<Layout | undefined>(undefined)[first];
    return others !== undefined && layout && isWhole(others, layout) ? mapped(others, layout) : await made(makers);
  } finally {
    if (others !== undefined) closeSync(others);
  }
}

/** The processes that can open each other's files: those of one machine, and one container in it. */
function machineOf(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return `process ${process.pid} ${performance.timeOrigin}`;
  }
}

/** Tells a file from all others of the machine, and from what it was before a change. */
function identityOf(path: string): string {
  const { dev, ino, size, mtimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(":");
}

/** Undefined if the system forbids it, as between users. */
function opened(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

const isWhole = (source: number, { bytes }: Layout): boolean =>
  native.isSealed(source) && fstatSync(source).size === bytes;

async function made(makers: readonly MakeTensors[]): Promise<Made> {
  const all: (readonly Tensor[])[] = [];
  for (const make of makers) {
    all.push(scope(() => make().map(keep)));
    await nextTurn();
  }
  return all;
}

/** Mappings begin at whole pages; this is the largest page of the systems that we run on. */
const PAGE = 65_536;

async function written(makers: readonly MakeTensors[], memory: number): Promise<Layout> {
  const placed: (readonly Placed[])[] = [];
  let end = 0;
  const place = (tensor: Tensor): Placed => {
    const position = Math.ceil(end / PAGE) * PAGE;
    write(tensor, memory, position);
    end = position + tensor.nbytes;
    return { shape: [...tensor.shape], dtype: tensor.dtype, position };
  };
  for (const make of makers) {
    placed.push(scope(() => make().map(place)));
    await nextTurn();
  }
  native.sealSharedMemory(memory);
  return { placed, bytes: end };
}

function write(tensor: Tensor, memory: number, position: number): void {
  try {
    writeFile(tensor, memory, position);
  } catch (cause) {
    throw new BidoraError(
      "MEMORY",
      `The model does not fit in the memory that the ranks of this machine share: ${(cause as Error).message.split("\n")[0]} Take a smaller model, or a smaller --dtype.`,
      { cause },
    );
  }
}

function mapped(descriptor: number, { placed }: Layout): Made {
  const memory = { path: "the memory that ranks share", descriptor };
  return placed.map((tensors) =>
    tensors.map(({ shape, dtype, position }) => keep(mapFile(memory, position, shape, dtype))),
  );
}
