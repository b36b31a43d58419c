// Schedulers are stand-ins: programs on the PATH that answer as the documentation of Slurm and Ray says.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { bidora, comparisonFile, eventsIn, fresh, json, start, stepsOf } from "../support.js";

const spec = (...more: readonly string[]) => comparisonFile("methods: [lora]", "batchSize: 4", "threads: 1", ...more);
const folderOf = (output: string, seed: number) => join(output, `sequence-classification/lora/seed-${seed}`);

/** `sbatch --wait --parsable` prints the job's id at once, writes what the job prints to --output, and ends with its status. */
const SBATCH = `
log=; for word; do case "$word" in --output=*) log="\${word#--output=}";; esac; script="$word"; done
echo "$*" >> "$SCHEDULER/calls"
sh "$script" >"$log" 2>&1 & job=$!
echo "$job;cluster"
wait $job`;
const SCANCEL = `echo "scancel $*" >> "$SCHEDULER/calls"; kill -TERM "$1"`;
/** \`ray job submit\` prints its own lines and the job's, and ends with 0 or 1. */
const RAY = `
echo "ray $*" >> "$SCHEDULER/calls"
while [ "$1" != -- ]; do shift; done; shift
echo "Job submission server address: http://127.0.0.1:8265"
"$@" 2>&1 || { echo "Job failed" >&2; exit 1; }`;

const { PATH, SCHEDULER } = process.env;
let programs: string;

const install = (name: string, script: string) => {
  writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(programs, name), 0o755);
};
const calls = () => readFileSync(join(programs, "calls"), "utf8").trim().split("\n");

beforeEach(() => {
  programs = fresh("programs");
  mkdirSync(programs);
  process.env.PATH = `${programs}${delimiter}${PATH}`;
  process.env.SCHEDULER = programs;
});
afterEach(() => {
  process.env.PATH = PATH;
  if (SCHEDULER === undefined) delete process.env.SCHEDULER;
});

describe("--launcher slurm", () => {
  beforeEach(() => {
    install("sbatch", SBATCH);
    install("scancel", SCANCEL);
  });

  test("submits a job for each run, and called again only those that are missing", async () => {
    const output = fresh("slurm");
    const compare = (seeds: string) =>
      bidora("compare", spec(`seeds: ${seeds}`, "maxSteps: 1"), "--launcher", "slurm", "--output", output);
    expect((await compare("[0]")).status).toBe(0);
    expect(calls()).toEqual([
      expect.stringMatching(
        /^--wait --parsable --dependency=singleton --job-name=bidora-[0-9a-f]{12} --output=\S+seed-0\.log \S+seed-0\.sh$/,
      ),
    ]);
    expect((await compare("[0, 1]")).status).toBe(0);
    expect(calls()).toHaveLength(2);
    const { runs } = json<{ runs: { seed: number }[] }>(join(output, "comparison.json"));
    expect(runs.map(({ seed }) => seed)).toEqual([0, 1]);
  }, 100_000);

  test("reports the reason for which a job fails, and keeps the others", async () => {
    const output = fresh("slurm-failed");
    const file = comparisonFile(
      "methods: [lora, dora]",
      "maxSteps: 3",
      "dtype: float32",
      "batchSize: 4",
      "threads: 1",
      "perMethod: {dora: {learningRate: 1e30}}",
    );
    const { status, stderr } = await bidora("compare", file, "--launcher", "slurm", "--output", output);
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/1 of 2 runs failed.*dora seed 0: Step \d+: The loss is/),
    ]);
    const { failed } = json<{ failed: { code: string }[] }>(join(output, "comparison.json"));
    expect(failed.map(({ code }) => code)).toEqual(["LOSS_NOT_FINITE"]);
    expect(existsSync(join(folderOf(output, 0), "metrics.json"))).toBe(true);
  }, 100_000);

  test("reports what sbatch says if it refuses a job", async () => {
    install("sbatch", 'echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1');
    const { status, stderr } = await bidora("compare", spec("maxSteps: 1"), "--launcher", "slurm", "--output", fresh());
    expect([status, stderr]).toEqual([1, expect.stringContaining("invalid partition specified: gpu")]);
  }, 50_000);

  test("cancels the jobs of an interrupted comparison, which then goes on", async () => {
    const output = fresh("slurm-stopped");
    const file = spec("maxSteps: 60", "saveEvery: 100000");
    const { child, ended } = start("compare", file, "--launcher", "slurm", "--output", output);
    const folder = folderOf(output, 0);
    await vi.waitUntil(() => existsSync(join(folder, "events.jsonl")) && stepsOf(eventsIn(folder)).length > 2, {
      timeout: 60_000,
      interval: 5,
    });
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(calls().at(-1)).toMatch(/^scancel \d+$/);
    const done = stepsOf(eventsIn(folder)).length;
    expect(done).toBeLessThan(60);
    expect((await bidora("compare", file, "--launcher", "slurm", "--output", output)).status).toBe(0);
    expect(stepsOf(eventsIn(folder))).toHaveLength(60);
  }, 150_000);
});

test("--launcher ray submits a job for each run, and reports those that fail", async () => {
  install("ray", RAY);
  const output = fresh("ray");
  const ofSeeds = (seeds: string, ...more: readonly string[]) =>
    bidora("compare", spec(`seeds: ${seeds}`, "maxSteps: 1"), "--launcher", "ray", "--output", output, ...more);
  expect((await ofSeeds("[0]")).status).toBe(0);
  expect(calls()).toEqual([
    expect.stringMatching(/^ray job submit --submission-id=bidora-[0-9a-f]{12}-\w+ -- sh \S+seed-0\.sh$/),
  ]);
  install("ray", 'echo "ConnectionError: no server at http://127.0.0.1:8265" >&2; exit 1');
  const { status, stderr } = await ofSeeds("[0, 1]");
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/1 of 2 runs failed; .*seed 1: ConnectionError: no server/),
  ]);
}, 100_000);

test.each([
  ["slurm", "sbatch"],
  ["ray", "ray"],
])(
  "--launcher %s is refused where %s is not on the PATH",
  async (launcher, program) => {
    process.env.PATH = programs;
    const output = fresh();
    const { status, stderr } = await bidora("compare", spec("maxSteps: 1"), "--launcher", launcher, "--output", output);
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining(`needs the program ${program}, which is not on the PATH`),
    ]);
    expect(existsSync(output)).toBe(false);
  },
  20_000,
);

test("--launcher is refused where no runs are started", async () => {
  const { status, stderr } = await bidora("compare", spec("maxSteps: 1"), "--launcher", "slurm", "--list");
  expect([status, stderr]).toEqual([2, expect.stringContaining("--launcher (applies only without --list")]);
}, 20_000);
