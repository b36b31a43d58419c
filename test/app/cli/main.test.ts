import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { bidora as called } from "../../e2e/support.js";
import { GOLDEN } from "../../support/golden.js";

const bin = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
const bidora = (...argv: string[]) => spawnSync(process.execPath, [bin, ...argv], { encoding: "utf8" });

describe("a usage error", () => {
  test.each([
    [["fintune"], 2, 'bidora: Unknown command "fintune". Did you mean "finetune"?\n'],
    [["help", "constructor"], 2, 'bidora: Unknown command "constructor". bidora --help lists them.\n'],
    [["frobnicate"], 2, 'bidora: Unknown command "frobnicate". bidora --help lists them.\n'],
    [["finetune", "--rnak", "3"], 2, 'bidora: Unknown flag "--rnak". Did you mean "--rank"?\n'],
    [["finetune", "a", "b"], 2, 'bidora: Unexpected "b"; usage: bidora finetune [run.yaml] [flags]\n'],
    [["finetune", "none.yaml"], 1, "bidora: The run file none.yaml does not exist; give the path of a YAML file.\n"],
    [
      ["finetune", "src"],
      1,
      "bidora: The run file src is a folder; give the path of a YAML file, and a model's folder by --model.\n",
    ],
    [["report"], 2, "bidora: The run is missing: give the output folder of at least one run, or of a comparison.\n"],
    [["analyze"], 2, "bidora: The run is missing: give the output folder of at least one run.\n"],
  ])("%j exits with %d and one sentence", async (argv, status, message) => {
    expect(await called(...argv)).toMatchObject({ status, stdout: "", stderr: message });
  });
});

describe("the built command", () => {
  test.each([
    [["--help"], /^Usage: bidora COMMAND/],
    [["--version"], /^\d+\.\d+\.\d+\n$/],
    [["finetune", "--help"], /^Usage: bidora finetune/],
    [["help"], /^Usage: bidora COMMAND/],
    [["help", "merge"], /^Usage: bidora merge/],
  ])("%j prints to stdout and exits with 0", (argv, expected) => {
    const { status, stdout, stderr } = bidora(...argv);
    expect(stdout).toMatch(expected);
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("doctor prints what the engine found and whether anything needs fixing", () => {
    const { status, stdout } = bidora("doctor", "--json");
    const found: unknown = JSON.parse(stdout);
    expect(found).toMatchObject({ torchVersion: expect.stringMatching(/^\d+\.\d+/), threads: expect.any(Number) });
    expect(status).toBe((found as { problems: string[] }).problems.length > 0 ? 1 : 0);
  });

  test("report writes a run's page beside its log", () => {
    const folder = mkdtempSync(join(tmpdir(), "bidora-report-"));
    const done = {
      event: "done",
      time: "2026-01-01T00:00:00Z",
      metrics: { accuracy: 0.5 },
      seconds: 1,
      peakMemoryBytes: 1,
    };
    writeFileSync(join(folder, "events.jsonl"), `${JSON.stringify(done)}\n`);
    expect(bidora("report", folder)).toMatchObject({ status: 0, stdout: `Report in ${join(folder, "report.html")}\n` });
    expect(readFileSync(join(folder, "report.html"), "utf8")).toMatch(/^<!doctype html>/i);
  });

  test("download of a local folder is the folder itself", () => {
    expect(bidora("download", tmpdir())).toMatchObject({ status: 0, stdout: `${tmpdir()}\n` });
  });

  test("--debug adds the stack trace", () => {
    expect(bidora("finetune", "--rank", "x", "--debug").stderr).toMatch(/UsageError: --rank takes .*\n +at /);
  });

  test("a reader that closes early is not a failure", async () => {
    const child = spawn(process.execPath, [bin, "finetune", "--help-all"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let errors = "";
    child.stderr.on("data", (part) => (errors += part));
    const [status] = await once(child, "close");
    expect([status, errors]).toEqual([0, ""]);
  });

  test.each([["--help"], ["finetune", "--help-all"], ["inspect", join(GOLDEN, "bert/single"), "--json"]])(
    "a result that a full disk does not take is an error, by one sentence",
    (...argv) => {
      const full = openSync("/dev/full", "w");
      const { status, stderr } = spawnSync(process.execPath, [bin, ...argv], {
        encoding: "utf8",
        stdio: ["ignore", full, "pipe"],
      });
      expect([status, stderr]).toEqual([
        1,
        "bidora: The output could not be written to stdout: ENOSPC: no space left on device, write.\n",
      ]);
    },
  );

  test("an error message that can't be written does not change the exit status", () => {
    const full = openSync("/dev/full", "w");
    expect(spawnSync(process.execPath, [bin, "fintune"], { stdio: ["ignore", full, full] }).status).toBe(2);
  });

  test.each(["constructor", "__proto__", "toString"])("%s is not a command", (name) => {
    expect(bidora(name)).toMatchObject({
      status: 2,
      stdout: "",
      stderr: `bidora: Unknown command "${name}". bidora --help lists them.\n`,
    });
  });

  test("without a build it names the command to run", () => {
    const folder = mkdtempSync(join(tmpdir(), "bidora-bin-"));
    cpSync(bin, join(folder, "bin", "bidora.mjs"));
    const { status, stderr } = spawnSync(process.execPath, [join(folder, "bin", "bidora.mjs")], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, "bidora: not built yet; run `npm run setup` in its folder.\n"]);
  });
});
