import { expect, test } from "vitest";
import { holdFolder } from "../../../src/base/records/folderLock.js";
import { bidora, fresh } from "../support.js";
import { ended, startWith, TINY } from "./support.js";

test("a program of the user's is launched with the variables, and its failure named; one that was stopped is not restarted", async () => {
  const program = (failure: string) => `
    const { RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, BIDORA_LAUNCHED, TORCHELASTIC_RESTART_COUNT: count } = process.env;
    console.log([RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, /^[0-9a-f-]{36}$/.test(BIDORA_LAUNCHED), count].join(" "));
    ${failure}`;
  const FAILS = `
    if (RANK === "1") process.exit(count === "0" ? 3 : 0);
    setTimeout(() => process.exit(count === "0" ? 1 : 0), 2000);`;
  const launch = (restarts: string, failure: string) =>
    startWith(
      {},
      ...["launch", "--processes", "2", "--max-restarts", restarts, "--", process.execPath, "-e", program(failure)],
    );
  const [failed, restarted, alike, stopped, misused] = await ended([
    launch("0", FAILS),
    launch("1", FAILS),
    launch("0", "process.exit(4)"),
    launch("1", "process.exit(130)"),
    launch("1", "process.exit(Number(RANK) * 2)"),
  ]);
  const line = "0 2 0 127.0.0.1 true 0\n";
  expect(failed).toEqual({ status: 1, stdout: line, stderr: "bidora: Rank 1 of 2 ended with status 3.\n" });
  expect(restarted).toEqual({
    status: 0,
    stdout: `${line}${line.replace(/0\n/, "1\n")}`,
    stderr: "Rank 1 of 2 ended with status 3: starting all ranks again (1 of 1).\n",
  });
  expect(alike).toEqual({ status: 1, stdout: line, stderr: "bidora: All ranks ended with status 4.\n" });
  expect(stopped).toEqual({ status: 130, stdout: line, stderr: "" });
  expect(misused).toEqual({ status: 2, stdout: line, stderr: "bidora: Rank 1 of 2 ended with status 2.\n" });
});

test("a launched command may have empty words", async () => {
  const program = ["-e", "console.log(JSON.stringify(process.argv.slice(1)))", "a", "", "b"];
  const [launched] = await ended([startWith({}, "launch", "--processes", "2", "--", process.execPath, ...program)]);
  expect(launched).toEqual({ status: 0, stdout: '["a","","b"]\n', stderr: "" });
  const { status, stderr } = await bidora("launch", "--processes", "2", "--", "");
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^bidora: "" is no command that trains: launch takes/)]);
});

test("an error that all ranks have is printed once, also where rank 0 saves its state first; nobody is told to press Ctrl-C", async () => {
  const diverging = [
    "--max-steps",
    "8",
    "--learning-rate",
    "1e30",
    "--batch-size",
    "2",
    "--output",
    fresh("diverging"),
  ];
  const [launched] = await ended([
    startWith({}, "launch", "--processes", "2", "--", "finetune", ...TINY, ...diverging),
  ]);
  expect(launched!.status).toBe(1);
  const errors = launched!.stderr.split("\n").filter((line) => line.startsWith("bidora: "));
  expect(errors).toEqual([
    expect.stringMatching(/^bidora: Step \d: The loss is/),
    "bidora: All ranks ended with status 1.",
  ]);
  expect(launched!.stderr).not.toMatch(/Ctrl-C/);
});

test("when one rank fails, the others that the launcher ends do not speak of Ctrl-C", async () => {
  const program = `if (process.env.RANK === "1") process.exit(3); import(process.argv[1]).then(({ main }) => main(process.argv.slice(2)));`;
  const main = new URL("../../../dist/app/cli/main.js", import.meta.url).href;
  const words = ["-e", program, main, "finetune", ...TINY, "--output", fresh("waiting")];
  const [launched] = await ended([startWith({}, "launch", "--processes", "2", "--", process.execPath, ...words)]);
  expect(launched).toEqual({
    ...{ status: 1, stdout: "" },
    stderr: "\nSaving and stopping.\nInterrupted.\nbidora: Rank 1 of 2 ended with status 3.\n",
  });
});

test("an error that all ranks have, or that one passes on, is printed once, and a locked folder is not waited for", async () => {
  const output = fresh("locked");
  const launch = (...more: readonly string[]) =>
    startWith({}, "launch", "--processes", "3", "--", "finetune", ...TINY, "--output", output, ...more);
  const [missing, unread] = await ended([launch("--model", "/missing"), launch("--adapter", "/missing")]);
  const sentence = "bidora: There is no folder /missing.\n";
  expect(missing).toEqual({ status: 1, stdout: "", stderr: `${sentence}bidora: All ranks ended with status 1.\n` });
  expect(unread).toEqual({ status: 1, stdout: "", stderr: sentence });
  const [locked] = await holdFolder(output, () => ended([launch("--timeout", "20")]));
  const lines = locked!.stderr.trimEnd().split("\n");
  expect([locked!.status, lines]).toEqual([
    1,
    [expect.stringMatching(/is being written by process/), "bidora: All ranks ended with status 1."],
  ]);
});
