// Processes, none of which outlives this one.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

export interface Ended {
  readonly status: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

const LIMIT_MS = 30 * 60_000;

const running = new Set<ChildProcess>();

export interface StartOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** Starts a program. The kernel kills it when this process ends, however it does. */
export function start(command: readonly string[], options: StartOptions = {}): ChildProcess {
  const [program, ...words] = canTie() ? ["setpriv", "--pdeathsig", "KILL", ...command] : command;
  const child = spawn(program!, words, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

/** Runs a program and collects what it prints. @returns after half an hour at most, when it is killed */
export async function run(command: readonly string[], options: StartOptions = {}): Promise<Ended> {
  const started = performance.now();
  const child = start(command, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const [stdout, stderr] = [child.stdout!, child.stderr!].map(collect) as [() => string, () => string];
  const status = await new Promise<number | string | null>((done, fail) => {
    child.on("close", (code, signal) => done(code ?? signal)).on("error", fail);
  });
  clearTimeout(timer);
  return { status, stdout: stdout(), stderr: stderr(), seconds: (performance.now() - started) / 1000 };
}

/** As `run`, for a program that must succeed. @throws Error with the end of what it printed */
export async function succeed(command: readonly string[], options: StartOptions = {}): Promise<Ended> {
  return succeeded(await run(command, options), command.join(" "));
}

/** @throws Error with the end of what a command printed if it failed */
export function succeeded(ended: Ended, command: string): Ended {
  if (ended.status === 0) return ended;
  const printed = `${ended.stdout}\n${ended.stderr}`.trim().split("\n").slice(-12).join("\n");
  throw new Error(`${command}: ${ended.status}\n${printed}`);
}

/** Ends what is still running. */
export async function stopAll(): Promise<void> {
  const ended = [...running].map((child) => once(child, "close"));
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(ended);
}

export const hasProgram = (name: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${name}`], { stdio: "ignore" }).status === 0;

let tie: boolean | undefined;
function canTie(): boolean {
  tie ??= hasProgram("setpriv");
  return tie;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  return () => Buffer.concat(pieces).toString();
}
