// Many runs, one after the other, of the same processes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { FinetuneSettings } from "../../../src/app/commands/finetune.js";
import { fresh, json } from "../support.js";

const RANK = fileURLToPath(new URL("rank.js", import.meta.url));

/** A run as rank.js reports it. */
export interface Reported {
  /** Of all steps and levels. */
  readonly losses: readonly number[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly error?: string;
}

/**
 * Makes runs on `size` ranks, one after the other.
 * @param runs the settings of a rank
 * @returns what each rank reports
 */
export async function inOneGo(
  size: number,
  runs: (rank: number) => readonly FinetuneSettings[],
): Promise<readonly (readonly Reported[])[]> {
  const ports = await freePorts(runs(0).length);
  return Promise.all(
    Array.from({ length: size }, (_, rank) => {
      const file = fresh("runs.json");
      writeFileSync(file, JSON.stringify(runs(rank).map((settings, i) => ({ settings, port: ports[i] }))));
      return runRank(file, rank, size);
    }),
  );
}

async function runRank(runs: string, rank: number, size: number): Promise<Reported[]> {
  const results = fresh("results.json");
  const place = { RANK: `${rank}`, WORLD_SIZE: `${size}`, MASTER_ADDR: "127.0.0.1" };
  const env = { ...process.env, OMP_NUM_THREADS: "1", ...place };
  const child = spawn(process.execPath, [RANK, runs, results], { env, stdio: ["ignore", "ignore", "pipe"] });
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
