import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePort } from "../../../src/app/launcher/launch.js";
import { bidora, bytes, fresh } from "../support.js";
import { BASE, ended, lossesIn, type Printing, startRanks, startWith, TINY } from "./support.js";

const finetune = (output: string, ...more: readonly string[]) => ["finetune", ...TINY, "--output", output, ...more];
const ENDLESS = ["--max-steps", "100000", "--batch-size", "2"];

/** Waits until the run of some ranks has taken a few steps. */
async function steps(output: string, ranks: readonly Printing[]): Promise<void> {
  const log = join(output, "events.jsonl");
  while (!existsSync(log) || readFileSync(log, "utf8").split('"event":"step"').length <= 4) {
    const failed = ranks.find(({ child }) => child.exitCode !== null);
    if (failed) throw new Error(failed.printed.stderr);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const checkpoints = (output: string) => readdirSync(output).filter((name) => name.startsWith("checkpoint-"));

async function endless(...more: readonly string[]): Promise<{ output: string; ranks: [Printing, Printing] }> {
  const output = fresh("endless");
  const words = finetune(output, ...ENDLESS, ...more);
  const ranks = (await startRanks(words, words)) as [Printing, Printing];
  await steps(output, ranks);
  return { output, ranks };
}

test("when a rank is killed, the other ends with one line and a checkpoint", async () => {
  const { output, ranks } = await endless();
  ranks[1].child.kill("SIGKILL");
  const [first] = await ended(ranks);
  expect(first!.status).toBe(1);
  const [line] = first!.stderr.trimEnd().split("\n").slice(-1);
  expect(line).toMatch(
    /^bidora: .*A rank was lost: the connection to another one broke\. The state after step \d+ was saved/,
  );
  expect(checkpoints(output)).toHaveLength(1);
});

test("a rank that stops answering is lost after --timeout; both say so in one line", async () => {
  const { output, ranks } = await endless("--timeout", "3");
  ranks[1].child.kill("SIGSTOP");
  expect(await ranks[0].ended).toBe(1);
  ranks[1].child.kill("SIGCONT");
  const [first, second] = await ended(ranks);
  expect(first!.stderr).toMatch(/bidora: .*another one did not answer within --timeout\. The state after step/);
  expect(second).toMatchObject({ status: 1, stdout: "" });
  expect(second!.stderr).toMatch(/^bidora: rank 1: .*A rank was lost.*\n$/m);
  expect(checkpoints(output)).toHaveLength(1);
});

test("a checkpoint that one rank is asked for is saved by rank 0, and SIGTERM to one rank ends both after saving", async () => {
  const { output, ranks } = await endless();
  ranks[1].child.kill("SIGUSR2");
  while (checkpoints(output).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  ranks[1].child.kill("SIGTERM");
  const [first, second] = await ended(ranks);
  expect([first!.status, second]).toEqual([130, { status: 130, stdout: "", stderr: "" }]);
  expect(checkpoints(output)).toHaveLength(2);
});

/** Waits until somebody listens on a port. */
async function listening(port: number): Promise<void> {
  const isOpen = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
  while (!(await isOpen())) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("when rank 0 stops answering, which serves the store, the other rank ends after --timeout too", async () => {
  const { ranks } = await endless("--timeout", "3");
  ranks[0].child.kill("SIGSTOP");
  const began = performance.now();
  expect(await ranks[1].ended).toBe(1);
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(ranks[1].printed.stderr).toMatch(
    /^bidora: rank 1: (Step \d+: )?A rank was lost: another one did not answer within --timeout\.\n$/,
  );
  ranks[0].child.kill("SIGCONT");
  expect(await ranks[0].ended).toBe(1);
});

const rankOne = (port: number, ...more: readonly string[]) =>
  startWith(
    { RANK: "1", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) },
    ...finetune(fresh("waiting"), ...ENDLESS, ...more),
  );

/**
 * Somebody who takes connections and never answers, as a rank 0 that was stopped.
 * @returns also what resolves at a rank's second connection: with the first it looks whether somebody listens, the second is the store's client
 */
async function silent(): Promise<{ server: Server; port: number; joined: Promise<void> }> {
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  const joined = new Promise<void>((resolve) => {
    // The very first one is that of `listening`.
    let left = 3;
    server.on("connection", () => --left === 0 && resolve());
  });
  await listening(port);
  return { server, port, joined };
}

test("a rank that finds no other one, or one that does not answer, says so in one line after --timeout", async () => {
  const { server, port } = await silent();
  const ranks = [rankOne(await freePort(), "--timeout", "2"), rankOne(port, "--timeout", "2")];
  for (const { status, stdout, stderr } of await ended(ranks)) {
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^bidora: rank 1: Rank 1 did not find the other ranks of 2 at 127\.0\.0\.1:\d+ within 2 s \([^()]+\): check [^\n]+\n$/,
    );
  }
  server.close();
});

test("ranks that wait for others that never come end at a signal", async () => {
  const { server, port: silentPort, joined } = await silent();
  const port = await freePort();
  const place = { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) };
  const ranks = [
    startWith(place, ...finetune(fresh("waiting"), ...ENDLESS, "--timeout", "60")),
    rankOne(silentPort, "--timeout", "60"),
  ];
  await listening(port);
  await joined;
  const began = performance.now();
  for (const { child } of ranks) child.kill("SIGTERM");
  const [first, second] = await ended(ranks);
  expect([first!.status, second!.status]).toEqual([130, 130]);
  expect(first!.stderr).toBe("\nSaving and stopping.\nInterrupted.\n");
  expect(performance.now() - began).toBeLessThan(3000);
  server.close();
});

test("ranks with other settings name them, set or not; wrong usage on one rank ends the others with its status", async () => {
  const words = (...more: readonly string[]) => finetune(fresh("differing"), "--max-steps", "1", ...more);
  const norm = ["--max-grad-norm", "2"];
  const [here, there, usage] = await Promise.all([
    startRanks(words(...norm), words()),
    startRanks(words(), words(...norm)),
    startRanks(words(), words("--early-stopping", "2")),
  ]);
  for (const [ranks, values] of [
    [here, "not set, and 2 on rank 0"],
    [there, "2, and not set on rank 0"],
  ] as const)
    for (const { status, stderr } of await ended(ranks)) {
      expect(status).toBe(1);
      expect(stderr).toContain(`Rank 1 and rank 0 differ in --max-grad-norm (${values}): all ranks need`);
    }
  const [told, wrong] = await ended(usage);
  expect([told!.status, wrong!.status]).toEqual([2, 2]);
  expect(told!.stderr).toMatch(/^bidora: Rank 1 ended: --early-stopping needs --eval-every/);
});

const MORTAL = fileURLToPath(new URL("mortal.js", import.meta.url));

test("launch continues a run whose rank was killed, to the same bytes; other numbers of ranks resume it", async () => {
  const common = { ...BASE, maxSteps: 8, saveEvery: 2, batchSize: 2, learningRate: 0.01 };
  const [whole, ...killed] = [fresh("whole"), fresh("killed"), fresh("killed")] as [string, string, string];
  const launch = (output: string, mortal: number | string) => {
    const program = [process.execPath, MORTAL, String(mortal), "5", JSON.stringify({ ...common, output })];
    return startWith({}, "launch", "--processes", "2", "--max-restarts", "1", "--", ...program);
  };
  const launched = await ended([launch(whole, "none"), ...killed.map(launch)]);
  expect(launched.map(({ status }) => status)).toEqual([0, 0, 0]);
  for (const [rank, output] of killed.entries()) {
    const note = `Rank ${rank} of 2 was killed by SIGKILL, as the system does when memory runs out: starting all ranks again (1 of 1).`;
    expect(launched[1 + rank]!.stderr).toContain(note);
    expect(lossesIn(output)).toEqual(lossesIn(whole));
    expect(bytes(output)).toBe(bytes(whole));
  }

  for (const name of ["metrics.json", "checkpoint-6", "checkpoint-8"]) rmSync(join(whole, name), { recursive: true });
  const again = ["--max-steps", "8", "--save-every", "2", "--resume"];
  const refused = await bidora(...finetune(whole, ...again, "--batch-size", "2"));
  expect(refused.stderr).toMatch(/batchSize/);
  const { status, stderr } = await bidora(...finetune(whole, ...again, "--batch-size", "4"));
  expect([status, stderr]).toEqual([
    0,
    expect.stringMatching(/was computed by 2 processes, now there is 1: the result may differ/),
  ]);
});
