// The processes of a command that trains on several ranks of one machine.
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError, type CallContext, INTERRUPTED, spawnLinked, UsageError } from "../../base/index.js";
import { LAUNCHED } from "../../torch/distributed/index.js";

/** What is launched. */
export interface LaunchPlan extends Pick<CallContext, "onNote"> {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** The number of ranks. */
  readonly processes: number;
  /** How many times all ranks are started again after a failure. */
  readonly maxRestarts: number;
}

/** How a rank ended. */
interface End {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Milliseconds that the other ranks have to end after one has failed: by themselves, and then after SIGTERM. */
const GRACE = { toNotice: 5_000, toEnd: 30_000 };

/** Exit status of wrong usage: a restart would fail in the same way. */
const WRONG_USAGE = 2;

/** Runs a command on several ranks, until all have ended. */
export class Launch {
  #ranks: readonly ChildProcess[] = [];
  #isStopped = false;
  readonly #name = randomUUID();

  constructor(readonly plan: LaunchPlan) {}

  /** Passes a signal on to all ranks. They are not started again after it. */
  pass(signal: NodeJS.Signals): void {
    this.#isStopped = true;
    this.#send(signal);
  }

  /**
   * @returns the exit status of a launch that ended well or was stopped, by a signal or from a dashboard
   * @throws BidoraError `RANK_FAILED` naming the rank that failed first and how it ended; UsageError if one ended for wrong usage
   */
  async run(): Promise<number> {
    for (let restarts = 0; ; restarts++) {
      const failed = await this.#attempt(restarts);
      const [first] = failed;
      if (!first) return 0;
      if (this.#isStopped || failed.every(({ code }) => code === INTERRUPTED)) return first.code ?? INTERRUPTED;
      const sentence = this.#whoEnded(failed, first);
      if (failed.some(({ code }) => code === WRONG_USAGE)) throw new UsageError(`${sentence}.`);
      if (restarts >= this.plan.maxRestarts) throw new BidoraError("RANK_FAILED", `${sentence}.`);
      this.plan.onNote?.(`${sentence}: starting all ranks again (${restarts + 1} of ${this.plan.maxRestarts}).`);
    }
  }

  /** If all ranks end with the same status, they end with the same error, which one of them has printed. */
  #whoEnded(failed: readonly End[], first: End): string {
    const { processes } = this.plan;
    const areAlike = failed.length === processes && failed.every(({ code }) => code !== null && code === first.code);
    if (areAlike && processes > 1) return `All ranks ended with status ${first.code}`;
    return `Rank ${first.rank} of ${processes} ${howEnded(first)}`;
  }

  /** @returns the ranks that failed, the first one first */
  async #attempt(restarts: number): Promise<readonly End[]> {
    const port = await freePort();
    this.#ranks = Array.from({ length: this.plan.processes }, (_, rank) => this.#start(rank, port, restarts));
    if (this.#isStopped) this.#send("SIGTERM"); // the signal came before they were started
    const over = new AbortController();
    const failed: End[] = [];
    const ends = this.#ranks.map(async (child, rank) => {
      const end = await endOf(child, rank);
      if (end.code === 0) return;
      if (failed.length === 0) void this.#endOthers(over.signal);
      failed.push(end);
    });
    try {
      await Promise.all(ends);
    } finally {
      over.abort();
    }
    return failed;
  }

  #start(rank: number, port: number, restarts: number): ChildProcess {
    const { command, processes } = this.plan;
    const [program, ...words] = command;
    const isFirst = rank === 0;
    return spawnLinked(
      program as string,
      words,
      [isFirst ? "inherit" : "ignore", isFirst ? "inherit" : "ignore", "inherit"],
      {
        OMP_NUM_THREADS:
          process.env.OMP_NUM_THREADS ?? String(Math.max(1, Math.floor(availableParallelism() / processes))),
        RANK: String(rank),
        LOCAL_RANK: String(rank),
        WORLD_SIZE: String(processes),
        LOCAL_WORLD_SIZE: String(processes),
        MASTER_ADDR: "127.0.0.1",
        MASTER_PORT: String(port),
        TORCHELASTIC_RESTART_COUNT: String(restarts),
        [LAUNCHED]: this.#name,
        TORCHELASTIC_USE_AGENT_STORE: "False",
      },
    );
  }

  /** Ends the ranks that go on although another one has failed. */
  async #endOthers(over: AbortSignal): Promise<void> {
    try {
      await sleep(GRACE.toNotice, undefined, { signal: over });
      this.#send("SIGTERM");
      this.#send("SIGCONT"); // one that is stopped can't end
      await sleep(GRACE.toEnd, undefined, { signal: over });
      this.#send("SIGKILL");
    } catch {
      // all have ended
    }
  }

  #send(signal: NodeJS.Signals): void {
    for (const child of this.#ranks) if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  }
}

async function endOf(child: ChildProcess, rank: number): Promise<End> {
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    return { rank, code, signal };
  } catch (cause) {
    throw new BidoraError("RANK_FAILED", `Rank ${rank} could not be started: ${(cause as Error).message}.`, { cause });
  }
}

function howEnded({ code, signal }: End): string {
  if (signal === null) return `ended with status ${code}`;
  return `was killed by ${signal}${signal === "SIGKILL" ? ", as the system does when memory runs out" : ""}`;
}

/** A port of 127.0.0.1 on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
