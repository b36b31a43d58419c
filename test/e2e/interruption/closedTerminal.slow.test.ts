import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { bidora, bytes, eventsIn, fresh, json, list, ROWS, run, SMALL, start, stepsOf } from "../support.js";

const BIN = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
const common = ["--model", SMALL.model, "--train", SMALL.train, "--method", "lora", "--batch-size", "4"];
const flags = [...common, "--learning-rate", "1e-2", "--max-steps", "4", "--validation", join(ROWS, "pairs.jsonl")];
const whole = () => run({ method: "lora", validation: join(ROWS, "pairs.jsonl") });

function expectEnded(output: string, reference: string): void {
  expect(list(output)).toEqual(list(reference));
  expect(bytes(output)).toBe(bytes(reference));
  expect(json(join(output, "metrics.json"))).toEqual(json(join(reference, "metrics.json")));
}

describe("output that can't be written does not end a run", () => {
  test("a full disk, a closed stdout, and a pipe without a reader", async () => {
    const reference = (await whole()).output;
    const full = openSync("/dev/full", "w");
    for (const json of [[], ["--json"]]) {
      const output = fresh();
      const argv = [BIN, "finetune", ...flags, ...json, "--output", output];
      const { status } = spawnSync(process.execPath, argv, { stdio: ["ignore", full, full] });
      expect(status).toBe(0);
      expectEnded(output, reference);
    }
    const output = fresh();
    const command = `"$0" "$@" 2>&1 | head -n 1; exit "\${PIPESTATUS[0]}"`;
    const argv = ["-c", command, process.execPath, BIN, "finetune", ...flags, "--json", "--output", output];
    const { status, stdout } = spawnSync("bash", argv, { encoding: "utf8" });
    expect([status, stdout.split("\n").length]).toEqual([0, 2]);
    expectEnded(output, reference);
  });

  test("lost output is reported on stderr", () => {
    const full = openSync("/dev/full", "w");
    const output = fresh();
    const result = spawnSync(process.execPath, [BIN, "finetune", ...flags, "--quiet", "--output", output], {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    const sentence = "bidora: The output could not be written to stdout: ENOSPC: no space left on device, write.\n";
    expect([result.status, result.stderr]).toEqual([0, sentence]);
    const evaluate = [BIN, "evaluate", "--adapter", output, "--model", SMALL.model, "--data", SMALL.train, "--json"];
    const lost = spawnSync(process.execPath, evaluate, { encoding: "utf8", stdio: ["ignore", full, "pipe"] });
    expect([lost.status, lost.stderr]).toEqual([1, sentence]);
  });
});

describe("signals", () => {
  test.each(["SIGHUP", "SIGTERM"] as const)(
    "%s after the terminal was closed: saves and exits with 130",
    async (signal) => {
      const output = fresh();
      const argv = [BIN, "finetune", ...common, "--max-steps", "4000", "--json", "--output", output];
      const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "pipe"] });
      const ended = once(child, "exit");
      await once(child.stdout, "data");
      child.stdout.destroy();
      child.stderr.destroy();
      child.kill(signal);
      expect(await ended).toEqual([130, null]);
      const [last] = stepsOf(eventsIn(output)).slice(-1);
      expect(list(output)).toEqual([`checkpoint-${last?.step}`, "events.jsonl", "run.yaml"]);
    },
  );

  test("closing the controlling terminal saves and exits", async () => {
    const output = fresh();
    const status = fresh("status");
    const words = [process.execPath, BIN, "finetune", ...common, "--max-steps", "4000", "--output", output];
    // The shell passes on the signal, as an interactive one does, but outlives the terminal to tell the exit status.
    const wait = `p=$!; trap "kill -HUP $p" HUP; wait $p; wait $p; echo $? > ${status}.part; mv ${status}.part ${status}`;
    const command = `${words.join(" ")} & ${wait}`;
    const terminal = spawn("script", ["-qfec", command, "/dev/null"], { stdio: ["pipe", "pipe", "pipe"] });
    await vi.waitUntil(() => list(output).includes("events.jsonl"), { timeout: 20_000 });
    terminal.kill("SIGKILL");
    await vi.waitUntil(() => existsSync(status), { timeout: 20_000 });
    expect(readFileSync(status, "utf8")).toBe("130\n");
    expect(list(output)[0]).toMatch(/^checkpoint-\d+$/);
  });

  test("a signal sent twice at once, by npx and the terminal, counts as one", async () => {
    const output = fresh();
    const { child, ended } = start("finetune", ...common, "--max-steps", "4000", "--output", output);
    while (!list(output).includes("events.jsonl")) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill("SIGINT");
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(list(output)[0]).toMatch(/^checkpoint-\d+$/);
  });
});

test("a failed run says in one sentence where --resume continues", async () => {
  const output = fresh();
  const argv = [...common, "--max-steps", "20", "--learning-rate", "1e30", "--output", output];
  const { status, stderr } = await bidora("finetune", ...argv, "--quiet");
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^bidora: Step (\d+): The .*\. The state after step \d+ was saved: --resume continues from .*\.\n$/,
  );
});
