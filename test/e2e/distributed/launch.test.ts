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

test("a program of the user's is launched with the variables, and its failure named", async () => {
  const program = `
    const { RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, TORCHELASTIC_RESTART_COUNT: count } = process.env;
    console.log([RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, count].join(" "));
    if (RANK === "1") process.exit(count === "0" ? 3 : 0);
    setTimeout(() => process.exit(count === "0" ? 1 : 0), 300);`;
  const launch = (restarts: string) =>
    startWith({}, "launch", "--processes", "2", "--max-restarts", restarts, "--", process.execPath, "-e", program);
  const [failed, restarted] = await ended([launch("0"), launch("1")]);
  expect(failed).toEqual({
    status: 1,
    stdout: "0 2 0 127.0.0.1 0\n",
    stderr: "bidora: Rank 1 of 2 ended with status 3.\n",
  });
  expect(restarted).toEqual({
    status: 0,
    stdout: "0 2 0 127.0.0.1 0\n0 2 0 127.0.0.1 1\n",
    stderr: "Rank 1 of 2 ended with status 3: starting all ranks again (1 of 1).\n",
  });
});

test("a restart does not take an earlier run in the output folder for its own", async () => {
  const output = fresh("earlier");
  const words = ["finetune", ...TINY, "--max-steps", "1", "--batch-size", "2", "--output", output];
  await bidora(...words, "--quiet");
  const launch = ["launch", "--processes", "2", "--max-restarts", "1", "--", ...words];
  const [result] = await ended([startWith({}, ...launch)]);
  expect(result).toMatchObject({ status: 1, stderr: expect.stringMatching(/is not empty: name another folder/) });
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
