import { afterEach, expect, test, vi } from "vitest";
import { bidora, fresh } from "../support.js";
import { ended, lossesIn, startWith, TINY } from "./support.js";

afterEach(() => vi.unstubAllEnvs());
test("two ranks train as one process with twice the batch; rank 0 alone prints and writes", async () => {
  const [shared, alone] = [fresh("shared"), fresh("alone")];
  const settings = [...TINY, "--max-steps", "4"];
  const launched = startWith(
    {},
    ...["launch", "--processes", "2", "--", "finetune", ...settings, "--batch-size", "2", "--output", shared, "--json"],
  );
  await bidora("finetune", ...settings, "--batch-size", "4", "--output", alone, "--quiet");
  const [result] = await ended([launched]);
  expect(result).toMatchObject({ status: 0 });
  const lines = result!.stdout.trimEnd().split("\n");
  expect(lines.filter((line) => line.includes('"event":"start"'))).toHaveLength(1);
  expect(lossesIn(shared)).toHaveLength(4);
  for (const [step, loss] of lossesIn(alone).entries()) expect(lossesIn(shared)[step]).toBeCloseTo(loss, 5);
});

test.each([
  [["--processes", "0", "--", "finetune"], /--processes takes a whole number of at least 1; got "0"/],
  [["--processes", "2", "finetune", "--model", "x"], /must stand after --; usage: bidora launch/],
  [["--processes", "2"], /must stand after --/],
  [["--processes", "2", "--"], /command after -- is missing/],
  [["--", "finetune"], /--processes is missing/],
  [["--processes", "2", "--", "predict"], /"predict" is no command that trains: launch takes finetune/],
  [["--processes", "2", "--", "npx", "bidora", "finetne"], /"finetne" .* Did you mean "finetune"\?/],
  [["--processes", "2", "--", "finetune", "--rnak", "3"], /Unknown flag "--rnak". Did you mean "--rank"\?/],
])("launch %s is refused once, before a process is started", async (words, sentence) => {
  const { status, stdout, stderr } = await bidora("launch", ...words);
  expect([status, stdout, stderr.split("\n").length]).toEqual([2, "", 2]);
  expect(stderr).toMatch(sentence);
});

test("launch --help explains it", async () => {
  expect((await bidora("launch", "--help")).stdout).toMatch(/--max-restarts N/);
});

test.each(["compare", "quickstart", "verify-hypergradient"])("%s refuses to be a rank", async (command) => {
  for (const [name, value] of [
    ["RANK", "1"],
    ["WORLD_SIZE", "2"],
    ["MASTER_ADDR", "localhost"],
  ] as const)
    vi.stubEnv(name, value);
  const words = command === "compare" ? ["--model", "m", "--task", "glue/mrpc"] : [];
  const { status, stderr } = await bidora(command, ...words);
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/can't be a rank, .* rank 1 of 2: start it as one process/),
  ]);
});
