import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { estimate } from "../../../src/app/commands/estimate.js";
import type { RunEvent } from "../../../src/base/records/events.js";
import { bidora, fresh, jsonl, SMALL, spawned, start, write } from "../support.js";

const flags = ["--model", SMALL.model, "--train", SMALL.train, "--batch-size", "4", "--max-steps", "6"];
const validation = ["--validation", SMALL.train];

describe("estimate", () => {
  it("prints the documented fields, with peak memory within 15 % of the run's", async () => {
    const output = fresh("run");
    for (const method of ["lora", "bidora"]) {
      const all = [...flags, ...validation, "--method", method, "--output", join(output, method), "--json", "--quiet"];
      const said = await bidora("estimate", ...all);
      expect([said.status, said.stderr]).toEqual([0, ""]);
      expect(existsSync(output)).toBe(method === "bidora");
      const found = JSON.parse(said.stdout);
      // Its peak memory is that of its process.
      const events = spawned("finetune", ...all)
        .stdout.trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as RunEvent);
      const [begin, done] = (["start", "done"] as const).map((name) => events.find(({ event }) => event === name));
      expect(found).toEqual({
        parameters: begin?.event === "start" && begin.parameters,
        peakMemoryBytes: expect.any(Number),
        secondsPerStep: expect.any(Number),
        availableMemoryBytes: expect.any(Number),
        steps: events.filter(({ event }) => event === "step").length,
        seconds: expect.any(Number),
        warnings: [],
      });
      const peak = (done?.event === "done" && done.peakMemoryBytes) as number;
      expect(Math.abs(found.peakMemoryBytes / peak - 1)).toBeLessThan(0.15);
      expect(found.seconds).toBeGreaterThan(found.secondsPerStep);
    }
  });

  it("has its warnings in JSON too, with and without --quiet", async () => {
    const stopping = [...flags, ...validation, "--method", "lora", "--eval-every", "2", "--early-stopping", "2"];
    const sentence = "Early stopping may end the run sooner: steps and time are upper bounds.";
    const quiet = await bidora("estimate", ...stopping, "--output", fresh(), "--json", "--quiet");
    expect([quiet.status, quiet.stderr]).toEqual([0, ""]);
    expect(JSON.parse(quiet.stdout).warnings).toEqual([sentence]);
    expect((await bidora("estimate", ...stopping, "--output", fresh(), "--json")).stderr).toContain(`${sentence}\n`);
  });

  it("prints a table, and reads a run file", async () => {
    const { train, model } = SMALL;
    const yaml = write("run.yaml", JSON.stringify({ model, train, method: "lora", maxSteps: 3 }));
    const { stdout, stderr, status } = await bidora("estimate", yaml, "--max-steps", "1234", "--batch-size", "4");
    expect(stdout).toMatch(
      /^what +estimate\nparameters +[\d,]+\ntrained +[\d,]+ \([\d.]+ %\)\npeak memory +\d+ MiB of .* available\n/,
    );
    expect(stdout).toMatch(/\ntypical step +[\d.]+ m?s\nsteps +1,234\nwhole run +[\d.]+ \w+/);
    expect(stderr).toContain("of 1234 steps of train were measured");
    expect(status).toBe(0);
  });

  it("exits with finetune's status and message for settings that are refused", async () => {
    const refused = async (...more: string[]) => {
      const said = await bidora("estimate", ...flags, ...more, "--output", fresh());
      const did = await bidora("finetune", ...flags, ...more, "--output", fresh());
      expect(said).toEqual({ ...did, stdout: "" });
      return said.status;
    };
    expect(await refused("--method", "lora", "--xi", "1")).toBe(2);
    expect(await refused("--train", jsonl({ text: "no label" }))).toBe(1);
    expect(await refused("--model", fresh("nothing"))).toBe(1);
  });

  it("stops at Ctrl-C together with its child process", async () => {
    const { child, ended } = start("estimate", ...flags, "--method", "bidora", "--init-weights", "new-head");
    // The first note comes from the process that it has made.
    await once(child.stderr!, "data");
    const made = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
    expect(made).toHaveLength(1);
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(existsSync(`/proc/${made[0]}`)).toBe(false);
  });
});

describe("estimate() of the library", () => {
  it("measures in a process of its own, unaffected by this one's memory", async () => {
    const held = Buffer.alloc(2 ** 30, 1);
    const settings = { ...SMALL, method: "lora", output: fresh("none") } as const;
    const { peakMemoryBytes, steps, stepsOfPhases, availableMemoryBytes } = await estimate(settings);
    expect(peakMemoryBytes).toBeLessThan(held.length);
    expect({ steps, stepsOfPhases }).toEqual({ steps: 4, stepsOfPhases: { train: 4 } });
    expect(availableMemoryBytes).toBeGreaterThan(0);
  });

  it("throws the run's errors and passes on its notes", async () => {
    const settings = { ...SMALL, method: "lora", train: jsonl({ text: "no label" }) } as const;
    await expect(estimate(settings)).rejects.toMatchObject({ name: "BidoraError", exitStatus: 1 });
    const notes: string[] = [];
    const drawn = { ...SMALL, method: "lora", initWeights: "new-head", output: fresh("none") } as const;
    await estimate(drawn, { onNote: (line) => notes.push(line) });
    expect(notes).toEqual([expect.stringContaining("Initialized a new head")]);
  });

  it("stops when its signal is aborted", async () => {
    const controller = new AbortController();
    const asked = estimate(
      { ...SMALL, method: "lora", output: fresh("none") },
      {
        signal: controller.signal,
      },
    );
    setTimeout(() => controller.abort(), 300);
    await expect(asked).rejects.toMatchObject({ name: "AbortError" });
    await expect(estimate(SMALL, { signal: controller.signal })).rejects.toMatchObject({
      name: "AbortError",
    });
  });
});
