import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { freePort } from "../../../src/launcher/freePort.js";
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

test("a rank that waits for others that never come ends at a signal", async () => {
  const port = await freePort();
  const place = { RANK: "0", WORLD_SIZE: "2", MASTER_ADDR: "127.0.0.1", MASTER_PORT: String(port) };
  const rank = startWith(place, ...finetune(fresh("waiting"), ...ENDLESS, "--timeout", "20"));
  await listening(port);
  rank.child.kill("SIGTERM");
  expect(await rank.ended).toBe("SIGTERM");
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
