import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { bidora, comparisonFile, fresh, json, write } from "../support.js";

const here = (path: string) => join(process.cwd(), path);
const file = () => comparisonFile("methods: [lora, full]", "maxSteps: 1", "batchSize: 4");
const command = `${process.execPath} ${here("bin/bidora.js")}`;
const seedsIn = (output: string) =>
  json<{ runs: { method: string }[] }>(join(output, "comparison.json")).runs.map(({ method }) => method);

test("a Slurm array does one run per task", async () => {
  const [output, spec] = [fresh("slurm"), file()];
  const listed = (await bidora("compare", spec, "--threads", "1", "--output", output, "--list")).stdout;
  const commands = write("commands.txt", listed);
  const task = (index: number) =>
    spawnSync("bash", [here("examples/cluster/slurm.sh"), commands], {
      env: { ...process.env, SLURM_ARRAY_TASK_ID: String(index) },
      encoding: "utf8",
    });
  expect([task(1).status, task(2).status]).toEqual([0, 0]);
  const beyond = task(3);
  expect([beyond.status, beyond.stderr]).toEqual([1, expect.stringContaining("has no line 3")]);
  expect((await bidora("compare", spec, "--output", output, "--collect")).status).toBe(0);
  expect(seedsIn(output)).toEqual(["full", "lora"]);
}, 100_000);

const hasParallel = spawnSync("parallel", ["--version"]).status === 0;

test.skipIf(!hasParallel)(
  "GNU parallel does the runs, and the tables are there",
  () => {
    const output = fresh("parallel");
    execFileSync("bash", [here("examples/cluster/parallel.sh"), file(), output, "2"], {
      env: { ...process.env, BIDORA: command },
      stdio: "pipe",
    });
    expect(seedsIn(output)).toEqual(["full", "lora"]);
  },
  100_000,
);

test("the Kubernetes Job is valid, and its pods do one line of the list each", () => {
  const job = parse(readFileSync(here("examples/cluster/kubernetes.yaml"), "utf8"));
  expect(job).toMatchObject({ apiVersion: "batch/v1", kind: "Job", spec: { completionMode: "Indexed" } });
  const [container] = job.spec.template.spec.containers;
  const list = write("commands.txt", "echo first\necho 'second line'\n");
  const [shell, flag, script] = container.command as [string, string, string];
  const run = (index: number) =>
    execFileSync(shell, [flag, script.replace("/work/commands.txt", list)], {
      env: { ...process.env, JOB_COMPLETION_INDEX: String(index) },
      encoding: "utf8",
    });
  expect([run(0), run(1)]).toEqual(["first\n", "second line\n"]);
});
