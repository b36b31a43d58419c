import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { quickstart, quickstartCommand } from "../../../src/app/commands/quickstart.js";
import { holdFolder } from "../../../src/base/records/folderLock.js";
import { MARKER } from "../../../src/base/records/names.js";
import { reportPath, writeReport } from "../../../src/studies/report/writeReport.js";
import {
  abortAfter,
  BERT,
  bidora,
  bytes,
  eventsIn,
  fresh,
  json,
  list,
  ROWS,
  run,
  SMALL,
  spawned,
  stepsOf,
} from "../support.js";

const ADAPTERS = join(BERT, "adapters");
const LORA = { method: "lora", maxSteps: 2 } as const;

/** Every file below a folder with its contents, links by where they point. */
function everything(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      return entry.isDirectory() ? [] : [[path.slice(folder.length + 1), readFileSync(path, "base64")]];
    }),
  );
}

/** A folder with these files, each holding its own name. */
function filled(...names: readonly string[]): string {
  const folder = fresh();
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), name);
  }
  return folder;
}

describe("the default output folder", () => {
  async function within<T>(folder: string, body: () => Promise<T>): Promise<T> {
    const before = process.cwd();
    process.chdir(folder);
    try {
      return await body();
    } finally {
      process.chdir(before);
    }
  }

  const withAdapter = (adapter: string, overwrite = false) => finetune({ ...SMALL, maxSteps: 1, adapter, overwrite });

  test("is named after the adapter's method, and is the one that is checked, written and printed", async () => {
    const cwd = filled("runs/run-lora/mine.txt");
    await within(cwd, async () => {
      await expect(withAdapter(join(ADAPTERS, "lora"))).rejects.toThrow("--output runs/run-lora is not empty");
      expect(list("runs")).toEqual(["run-lora"]);
      expect(list("runs/run-lora")).toEqual(["mine.txt"]);
      expect((await withAdapter(join(ADAPTERS, "dora"))).output).toBe("runs/run-dora");
      expect(json<{ peft_type: string }>("runs/run-dora/adapter_config.json")).toMatchObject({ use_dora: true });
      expect(list("runs")).toEqual(["run-dora", "run-lora"]);
    });
    const flags = ["--model", SMALL.model, "--train", SMALL.train, "--max-steps", "1", "--quiet", "--overwrite"];
    const bin = fileURLToPath(new URL("../../../bin/bidora.js", import.meta.url));
    const { stdout } = spawnSync(process.execPath, [bin, "finetune", ...flags, "--adapter", join(ADAPTERS, "dora")], {
      cwd,
      encoding: "utf8",
    });
    expect(stdout).toBe("Saved in runs/run-dora\n");
  });

  test("is never the folder of the adapter that the run starts from", async () => {
    const cwd = fresh();
    mkdirSync(join(cwd, "runs"), { recursive: true });
    cpSync(join(ADAPTERS, "lora"), join(cwd, "runs/run-lora"), { recursive: true });
    const before = everything(cwd);
    await within(cwd, async () => {
      await expect(withAdapter("runs/run-lora")).rejects.toThrow(/is not empty/);
      await expect(withAdapter("runs/run-lora", true)).rejects.toThrow(/cannot be replaced, because .*run-lora/);
    });
    expect(everything(cwd)).toEqual(before);
  });
});

describe("an output folder with something else in it", () => {
  const trainer = () =>
    filled(
      ...["config.json", "training_args.bin", "events.jsonl", "run.yaml"],
      ...["checkpoint-500/model.safetensors", "checkpoint-500/optimizer.pt", "checkpoint-500/trainer_state.json"],
    );

  test("is not resumed: a folder of another trainer stays as it is", async () => {
    const output = trainer();
    const before = everything(output);
    await expect(run({ ...LORA, output, resume: true })).rejects.toThrow(
      /is not empty, and --resume can't use it because it is not a run of bidora/,
    );
    await expect(run({ ...LORA, output })).rejects.toThrow(/is not empty/);
    expect(everything(output)).toEqual(before);
  });

  test("is not replaced by --overwrite", async () => {
    const output = trainer();
    const before = everything(output);
    await expect(run({ ...LORA, output, overwrite: true })).rejects.toThrow(
      /checkpoint-500 in it is not bidora's: move that away/,
    );
    const named = filled("README.md/mine.txt");
    await expect(run({ ...LORA, output: named, overwrite: true })).rejects.toThrow(/README\.md in it is not bidora's/);
    expect(everything(output)).toEqual(before);
    expect(everything(named)).toEqual({ "README.md/mine.txt": expect.any(String) });
  });

  test("keeps the other files when --overwrite replaces the run beside them", async () => {
    const { output } = await run({ method: "full", maxSteps: 2, saveEvery: 1 });
    expect(list(output)).toEqual(expect.arrayContaining(["checkpoint-1", "model.safetensors"]));
    const mine = filled("notes.txt", "sub/checkpoint-3/notes.txt", ".hidden");
    cpSync(mine, output, { recursive: true });
    await run({ ...LORA, output, overwrite: true });
    const kept = everything(output);
    for (const [name, contents] of Object.entries(everything(mine))) expect(kept[name], name).toBe(contents);
    const files = list(output);
    for (const name of ["model.safetensors", "config.json", "checkpoint-1"]) expect(files).not.toContain(name);
    expect(files).toContain("adapter_model.safetensors");
    expect(stepsOf(eventsIn(output))).toHaveLength(2);
  });

  test("that was filled while model and data were loaded is not replaced either", async () => {
    const output = fresh();
    const onStart = () => {
      if (existsSync(join(output, "late.txt"))) return;
      writeFileSync(join(output, "late.txt"), "late");
    };
    await expect(run({ ...LORA, output }, { observers: [onStart] })).rejects.toThrow(/is not empty/);
    expect(list(output)).toEqual(["late.txt"]);
  });
});

describe("an output path that would replace the run's own inputs", () => {
  test("is refused, also behind links, folders and single files", async () => {
    const { output } = await run({ method: "full", maxSteps: 1 });
    const before = everything(output);
    const link = fresh("link");
    symlinkSync(output, link);
    const linked = fresh("linked");
    mkdirSync(linked);
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
      cpSync(join(SMALL.model, name), join(linked, name));
    symlinkSync(join(output, "model.safetensors"), join(linked, "model.safetensors"));
    for (const [model, target] of [
      [link, output],
      [output, link],
      [linked, output],
    ] as const)
      await expect(run({ ...LORA, model, output: target, overwrite: true })).rejects.toThrow(/cannot be replaced/);
    const rows = fresh("rows.jsonl");
    symlinkSync(join(output, "events.jsonl"), rows);
    for (const read of [
      { train: rows },
      { validation: rows },
      { test: rows },
      { data: rows, task: "glue/mrpc" },
    ] as const)
      await expect(run({ ...LORA, ...read, output, overwrite: true })).rejects.toThrow(/cannot be replaced/);
    expect(everything(output)).toEqual(before);
  });

  test("is refused by predict and report", async () => {
    const rows = fresh("rows.jsonl");
    cpSync(join(ROWS, "texts.jsonl"), rows);
    const before = readFileSync(rows, "utf8");
    const flags = ["predict", "--model", SMALL.model, "--input", rows, "--output", rows, "--overwrite"];
    expect(await bidora(...flags)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/is an input of this command/),
    });
    expect(readFileSync(rows, "utf8")).toBe(before);
    const { output } = await run(LORA);
    const log = { output: join(output, "events.jsonl"), overwrite: true };
    expect(() => reportPath([output], log)).toThrow(/is an input of this command/);
  });
});

describe("a linked output folder", () => {
  test("is written to the link's target, and resumed as the same run", async () => {
    const [real, link] = [fresh("real"), fresh("link")];
    mkdirSync(real);
    symlinkSync(real, link);
    await run({ ...LORA, output: link }, abortAfter(1));
    await run({ ...LORA, output: real, resume: true });
    await run({ ...LORA, output: link, overwrite: true });
    expect(list(real)).toContain("metrics.json");
    await expect(run({ ...LORA, output: `${link}-nowhere` })).resolves.toBeDefined();
    const nowhere = fresh("nowhere");
    symlinkSync(fresh(), nowhere);
    await expect(run({ ...LORA, output: nowhere })).rejects.toThrow(/it is a broken link/);
  });
});

describe("--resume", () => {
  test("of a run whose report failed finds the run finished and all results there", async () => {
    const output = fresh();
    const block = () => mkdirSync(join(output, "report.html", "in the way"), { recursive: true });
    const observer = ({ event }: { event: string }) => (event === "done" ? block() : undefined);
    const { notes } = await run({ ...LORA, output }, { observers: [observer] });
    expect(notes).toEqual([expect.stringMatching(/^The report could not be written: .*report\.html/)]);
    const before = bytes(output);
    expect(list(output)).toContain("metrics.json");
    const again = await run({ ...LORA, output, resume: true });
    expect(again.notes).toEqual([
      `The run in ${output} has ended already: nothing was done. It had the settings of its run.yaml.`,
    ]);
    expect(bytes(output)).toBe(before);
  });

  test("of a run without a checkpoint removes nothing until there is something new", async () => {
    const whole = await run({ ...LORA, maxSteps: 4 });
    const { output } = whole;
    const before = bytes(output);
    rmSync(join(output, "metrics.json"));
    writeFileSync(join(output, "notes.txt"), "mine");
    const seen: string[] = [];
    const observer = ({ event }: { event: string }) => (event === "step" ? seen.push(bytes(output)) : undefined);
    const { notes } = await run(
      { ...LORA, maxSteps: 4, output, resume: true },
      { observers: [observer as () => void] },
    );
    expect(notes).toEqual([`There is no whole checkpoint in ${output}: starting afresh.`]);
    expect(seen).toEqual([before, before, before, before]);
    expect(stepsOf(eventsIn(output)).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(bytes(output)).toBe(before);
    expect(list(output)).toContain("notes.txt");
  });

  test("needs the marker file that a run writes first", async () => {
    const output = fresh();
    await run({ ...LORA, output, saveEvery: 1 }, abortAfter(1));
    expect(readdirSync(output).sort()).toEqual([MARKER, "checkpoint-1", "events.jsonl", "run.yaml"]);
    renameSync(join(output, MARKER), join(output, "..", "moved-mark"));
    await expect(run({ ...LORA, output, resume: true })).rejects.toThrow(/it has no \.bidora-run/);
    expect(list(output)).toEqual(["checkpoint-1", "events.jsonl", "run.yaml"]);
  });
});

describe("two runs in one folder at the same time", () => {
  test("a second run in the same process is refused, and the first is not disturbed", async () => {
    const output = fresh();
    const refusals: Promise<unknown>[] = [];
    const second = (settings: object) => run({ ...LORA, output, ...settings }).catch((error: unknown) => error);
    const observer = ({ event }: { event: string }) => {
      if (event !== "step" || refusals.length > 0) return;
      refusals.push(...[{}, { overwrite: true }, { resume: true }].map(second));
    };
    const whole = await run({ ...LORA, maxSteps: 200, saveEvery: 100, output }, { observers: [observer] });
    for (const refusal of await Promise.all(refusals))
      expect(refusal).toMatchObject({ code: "LOCKED", message: expect.stringMatching(/another call of this process/) });
    expect(stepsOf(eventsIn(output))).toHaveLength(200);
    expect(stepsOf(whole.events)).toHaveLength(200);
    expect(readdirSync(output).filter((name) => name.includes("lock"))).toEqual([]);
  });

  test("every command that writes a folder names the process that has locked it", async () => {
    const output = fresh();
    const train = ["finetune", "--model", SMALL.model, "--train", SMALL.train, "--max-steps", "1"];
    const adapter = ["--model", SMALL.model, "--adapter", join(ADAPTERS, "lora")];
    await holdFolder(output, async () => {
      for (const argv of [
        [...train, "--method", "lora"],
        ["merge", ...adapter],
        ["export", ...adapter, "--to", "peft-lora"],
        ["quickstart"],
      ]) {
        const { status, stderr } = spawned(...argv, "--output", output);
        expect(stderr).toBe(
          `bidora: ${output} is being written by process ${process.pid}: wait until it ends, or name another --output.\n`,
        );
        expect(status).toBe(1);
      }
    });
    expect(existsSync(output)).toBe(false);
  });
});

test("quickstart does not replace files in its folder without --overwrite", async () => {
  const output = filled("lora/adapter_model.safetensors", "lora/notes.txt");
  const before = everything(output);
  await expect(quickstart({ methods: ["lora"], output })).rejects.toThrow(/is not empty/);
  expect(everything(output)).toEqual(before);
  expect(quickstartCommand.options.overwrite.default).toBe(false);
});

describe("report", () => {
  test("replaces a run's own page, and no other file without --overwrite", async () => {
    const { output } = await run(LORA);
    const own = reportPath([output], { overwrite: false });
    expect(own).toBe(join(output, "report.html"));
    await writeReport(own, [output]);
    const mine = join(filled("report.html"), "report.html");
    for (const [runs, name] of [
      [[output], mine],
      [[output, output], mine],
      [[dirname(mine)], undefined],
    ] as const)
      expect(() => reportPath(runs, { output: name, overwrite: false })).toThrow(
        /report\.html exists: give another --output, or --overwrite/,
      );
    expect(readFileSync(mine, "utf8")).toBe("report.html");
    rmSync(own);
    symlinkSync(mine, own);
    expect(() => reportPath([output], { overwrite: false })).toThrow(/report\.html exists/);
    const flags = ["report", output, output, "--output", mine];
    expect((await bidora(...flags)).status).toBe(1);
    expect((await bidora(...flags, "--overwrite")).status).toBe(0);
    expect(readFileSync(mine, "utf8")).toMatch(/^<!doctype html>/i);
  });
});
