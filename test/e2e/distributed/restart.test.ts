import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { MARKER, RUN_FILE } from "../../../src/base/records/names.js";
import { bidora, fresh } from "../support.js";
import { TINY } from "./support.js";

afterEach(() => vi.unstubAllEnvs());

const finetune = (output: string, ...more: readonly string[]) =>
  bidora(
    "finetune",
    ...TINY,
    ...["--max-steps", "2", "--save-every", "1", "--batch-size", "2"],
    "--output",
    output,
    ...more,
  );

/** The file in which torchrun's agent of that name wants a rank's error. */
const errorFile = (agent: string) => join(fresh("logs"), agent, "attempt_1", "0", "error.json");

const LAUNCHERS = [
  ["bidora launch", "BIDORA_LAUNCHED", "a4c1", "77d0"],
  ["torchrun", "TORCHELASTIC_ERROR_FILE", errorFile("none_x1"), errorFile("none_x2")],
  ["another agent", "TORCHELASTIC_RUN_ID", "job-1", "job-2"],
] as const;

/** An unfinished run of a launch, with one checkpoint. */
async function unfinished(variable: string, launch: string): Promise<{ output: string; checkpoint: () => number }> {
  const output = fresh();
  vi.stubEnv(variable, launch);
  expect(await finetune(output)).toMatchObject({ status: 0 });
  for (const name of ["metrics.json", "checkpoint-2"]) rmSync(join(output, name), { recursive: true });
  return { output, checkpoint: () => statSync(join(output, "checkpoint-1")).ino };
}

test.each(LAUNCHERS)(
  "a restart by %s continues the run that it began, whatever the clocks say",
  async (_, variable, own) => {
    const { output, checkpoint } = await unfinished(variable, own);
    const before = checkpoint();
    vi.stubEnv("TORCHELASTIC_RESTART_COUNT", "1");
    for (const [time, more] of [
      [0, ""],
      [4e9, "--overwrite"],
    ] as const) {
      utimesSync(join(output, MARKER), time, time);
      rmSync(join(output, "metrics.json"), { force: true });
      expect(await finetune(output, ...(more ? [more] : []))).toMatchObject({ status: 0 });
      expect(checkpoint()).toBe(before);
    }
  },
);

test.each(LAUNCHERS)(
  "a restart by %s refuses the run of another launch, or replaces it",
  async (_, variable, own, other) => {
    const { output, checkpoint } = await unfinished(variable, own);
    const before = checkpoint();
    vi.stubEnv("TORCHELASTIC_RESTART_COUNT", "1");
    vi.stubEnv(variable, other);
    expect(await finetune(output)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/is not empty: name another/),
    });
    expect(checkpoint()).toBe(before);
    mkdirSync(join(output, "checkpoint-1", "kept")); // what is replaced has other files
    rmSync(join(output, RUN_FILE));
    expect(await finetune(output, "--overwrite")).toMatchObject({ status: 0 });
    expect(statSync(join(output, "checkpoint-1"), { throwIfNoEntry: false })?.ino).not.toBe(before);
  },
);

test("a launcher without a name that says it has restarted the run never removes it", async () => {
  const { output, checkpoint } = await unfinished("UNUSED", "");
  const before = checkpoint();
  vi.stubEnv("TORCHELASTIC_RESTART_COUNT", "1");
  expect(await finetune(output, "--overwrite")).toMatchObject({ status: 0 });
  expect(checkpoint()).toBe(before);
});
