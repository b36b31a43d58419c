import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import type { Answers, Facts, Request, Spec } from "./protocol.js";

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** One side of a comparison, in its own process, which waits while the others run. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #errors: string[] = [];

  constructor(program: Program) {
    const env = { ...process.env, ...program.environment };
    this.#child = spawn(program.command, program.args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#errors.push(text));
    this.#child.stdin?.on("error", () => {}); // a dead worker is noticed by its missing answer
    this.#reader = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** @throws Error with the worker's message if it fails */
  async ask<C extends Request["command"]>(request: Extract<Request, { command: C }>): Promise<Answers[C]> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error(`A worker ended: ${this.#errors.join("").slice(-4000)}`);
    const answer = JSON.parse(line.value) as { ok: boolean; error?: string };
    if (!answer.ok) throw new Error(answer.error);
    return answer as unknown as Answers[C];
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, "exit");
    this.#reader.close();
  }
}

/**
 * Starts a worker, prepares it, and runs its task `warmUps` times: first calls allocate memory and select kernels.
 * @throws Error with the worker's message if it fails
 */
export async function startWorker(
  { program, spec }: { readonly program: Program; readonly spec: Spec },
  warmUps = 2,
): Promise<{ readonly worker: WorkerProcess; readonly facts: Facts }> {
  const worker = new WorkerProcess(program);
  try {
    const { facts } = await worker.ask({ command: "prepare", spec });
    await worker.ask({ command: "run", count: warmUps });
    return { worker, facts };
  } catch (error) {
    await worker.end();
    throw error;
  }
}
