// Where a comparison's runs are made: on this machine, or as jobs of a scheduler.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Readable } from "node:stream";
import { isOnPath, makeFolder, shellLine, spawnLinkedChild, UsageError } from "../../../base/index.js";
import { sha256 } from "../../../base/records/index.js";
import { CHECKPOINT_SIGNAL } from "../../../training/index.js";

export interface StartedRun {
  /** A process that ends with the run and with its status; on its standard output may be the run's events, a line each. */
  readonly child: ChildProcess & { readonly stdout: Readable; readonly stderr: Readable };
  /** Stops the run after a checkpoint. */
  stop(): void;
  /** Asks the run for a checkpoint. */
  checkpoint(): void;
  /** What the run has printed elsewhere than on the process's standard error. */
  printed(): string;
}

interface Launcher {
  readonly programs: readonly string[];
  /** @param words the run's command @param folder the run's */
  start(words: readonly string[], folder: string): StartedRun;
}

/** A child of this process, which ends with it. */
const local: Launcher = {
  programs: [],
  start([program, ...words]) {
    const child = spawnLinkedChild(program!, words);
    return {
      child,
      stop: () => child.kill("SIGINT"),
      checkpoint: () => child.kill(CHECKPOINT_SIGNAL),
      printed: () => "",
    };
  },
};

/**
 * A job of Slurm. `sbatch --wait` ends with the job and its status. Of two jobs of one name, the second waits for the first
 * (`singleton`): a run whose job outlived its comparison is not made twice at the same time.
 */
const slurm: Launcher = {
  programs: ["sbatch", "scancel"],
  start(words, folder) {
    const { name, script, log } = filesOf(folder, words);
    const asked = ["--wait", "--parsable", "--dependency=singleton", `--job-name=${name}`, `--output=${log}`];
    const child = submit("sbatch", [...asked, script]);
    const id = () => /^\d+/.exec(child.printed())?.[0];
    const cancel = (...options: string[]) => ask("scancel", [...options, id() ?? `--name=${name}`]);
    return {
      child,
      stop: () => cancel(),
      checkpoint: () => cancel("--batch", `--signal=${CHECKPOINT_SIGNAL.replace("SIG", "")}`),
      printed: () => (existsSync(log) ? readFileSync(log, "utf8") : ""),
    };
  },
};

/** A job of Ray. `ray job submit` prints what the job prints, and ends with it: with status 1 if it failed. */
const ray: Launcher = {
  programs: ["ray"],
  start(words, folder) {
    const { name, script } = filesOf(folder, words);
    const id = `${name}-${Date.now().toString(36)}`;
    const child = submit("ray", ["job", "submit", `--submission-id=${id}`, "--", "sh", script]);
    return { child, stop: () => ask("ray", ["job", "stop", id]), checkpoint() {}, printed: child.printed };
  },
};

/** All launchers, by the names that `--launcher` takes. */
const LAUNCHERS = { local, slurm, ray } satisfies Readonly<Record<string, Launcher>>;

export type LauncherName = keyof typeof LAUNCHERS;

export const launcherNames = Object.keys(LAUNCHERS) as readonly LauncherName[];

/** A launcher whose programs are there. @throws UsageError naming the program that is missing */
export function launcherOf(name: LauncherName): Launcher {
  const launcher = LAUNCHERS[name];
  const missing = launcher.programs.find((program) => !isOnPath(program));
  if (missing === undefined) return launcher;
  throw new UsageError(
    `--launcher ${name} needs the program ${missing}, which is not on the PATH: call compare where jobs are submitted, or leave --launcher out.`,
  );
}

/** A job's name, which is always the same for a run; its script and its log, beside the run's folder. */
function filesOf(folder: string, words: readonly string[]) {
  const place = resolve(folder);
  const name = `bidora-${sha256(place).slice(0, 12)}`;
  const [script, log] = [`${place}.sh`, `${place}.log`];
  makeFolder(dirname(place));
  rmSync(log, { force: true });
  writeFileSync(script, `#!/bin/sh\ncd ${shellLine([process.cwd()])} && exec ${shellLine(words)}\n`);
  return { name, script, log };
}

/** Starts a program that waits for a job. The terminal's Ctrl-C must not reach it, since the job is to be cancelled first. */
function submit(program: string, words: readonly string[]) {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return Object.assign(child, { printed: () => text });
}

/** Asks the scheduler for something whose outcome the job's end will show. */
function ask(program: string, words: readonly string[]): void {
  spawn(program, words, { stdio: "ignore" }).on("error", () => {});
}
