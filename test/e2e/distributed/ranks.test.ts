// N ranks give what one process with the N-fold batch gives.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunSettings } from "../../../src/config/index.js";
import { openSafetensors } from "../../../src/io/safetensors.js";
import { fresh, json, list } from "../support.js";
import { BATCH, CASES } from "./cases.js";

const RANK = fileURLToPath(new URL("rank.js", import.meta.url));
const COMMON = { dtype: "float32", threads: 1, learningRate: 1e-2, maxSteps: 12, seed: 5 } as const;
const SIZES = [2, 3, 4];
/** Each case runs with one number of ranks, or with all if BIDORA_RANKS=all. */
const casesFor = (size: number): string[] =>
  Object.keys(CASES).filter((_, i) => process.env.BIDORA_RANKS === "all" || SIZES[i % SIZES.length] === size);

/** The end of the name of a case that is run a second time. */
const AGAIN = ", again";

/** A run as rank.js reports it. */
interface Reported {
  /** Of all steps and levels. */
  readonly losses: readonly number[];
  readonly error?: string;
}
type Runs = ReadonlyMap<string, Reported & { readonly output: string }>;

/** Makes runs of several cases, one after the other, on `size` ranks. @returns what rank 0 reports */
async function runAll(names: readonly string[], size: number, change: RunSettings = {}): Promise<Runs> {
  const ports = await freePorts(names.length);
  const outputs = names.map(() => fresh());
  const runs = names.map((name, i) => ({
    settings: { ...COMMON, batchSize: BATCH / size, ...CASES[name.replace(AGAIN, "")], output: outputs[i], ...change },
    port: ports[i],
  }));
  const file = fresh("cases.json");
  writeFileSync(file, JSON.stringify(runs));
  const [first] = await Promise.all(Array.from({ length: size }, (_, rank) => runRank(file, rank, size)));
  return new Map(names.map((name, i) => [name, { ...first![i]!, output: outputs[i]! }]));
}

async function runRank(cases: string, rank: number, size: number): Promise<Reported[]> {
  const results = fresh("results.json");
  const place = { RANK: `${rank}`, WORLD_SIZE: `${size}`, MASTER_ADDR: "127.0.0.1" };
  const env = { ...process.env, OMP_NUM_THREADS: "1", ...place };
  const child = spawn(process.execPath, [RANK, cases, results], { env, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => {
    errors += text.toString();
  });
  const [status] = (await once(child, "exit")) as [number];
  if (status !== 0) throw new Error(`Rank ${rank} of ${size}: ${errors}`);
  return json(results) as Reported[];
}

/** Ports that are free now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
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
  let [alone, start, together]: Runs[] = [];
  beforeAll(async () => {
    alone = await runAll(names, 1);
    start = await runAll(names, 1, { learningRate: 0, maxSteps: 1 });
    together = await runAll([...names, `${repeated}${AGAIN}`], size);
  }, 1_800_000);

  test.each(names)("%s", (name) => {
    const [one, all] = [alone!.get(name)!, together!.get(name)!];
    expect([one.error, all.error]).toEqual([undefined, undefined]);
    expect(all.losses.length).toBe(one.losses.length);
    const scale = Math.max(...one.losses);
    for (const [i, loss] of all.losses.entries()) expect(Math.abs(loss - one.losses[i]!) / scale).toBeLessThan(1e-5);
    const update = distance(one.output, start!.get(name)!.output);
    expect(distance(all.output, one.output) / update).toBeLessThan(1e-5);
  });

  test("the same bits once more", () => {
    const [once, again] = [repeated, `${repeated}${AGAIN}`].map((name) => tensorsIn(together!.get(name)!.output));
    expect(again).toEqual(once);
  });
});
