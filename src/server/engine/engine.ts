/** Continuous batching: jobs of all requests are computed together, step by step. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { AdapterRoutes } from "../../adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import { BatchGroup } from "./batchGroup.js";
import { type Job, sequencesOf } from "./job.js";

/** The most sequences that are computed at once; further jobs wait. */
const MOST_SEQUENCES = 64;

/** The jobs of one request. */
interface Request {
  readonly waiting: Job[];
  running: number;
}

export class Engine {
  /** The jobs that share passes, and those of each adapter that needs its own. */
  readonly #groups = new Map<string | undefined, BatchGroup>();
  readonly #requests = new Set<Request>();
  readonly #requestOf = new Map<Job, Request>();
  #sequences = 0;
  #isRunning = false;

  constructor(
    private readonly model: TaskModel,
    private readonly routes: AdapterRoutes,
  ) {}

  /** The number of jobs in batches, and of those that wait for a place. */
  get load(): { readonly running: number; readonly waiting: number } {
    const waiting = [...this.#requests].reduce((sum, request) => sum + request.waiting.length, 0);
    return { running: this.#requestOf.size, waiting };
  }

  /** Starts the jobs of a request. */
  submit(jobs: readonly Job[]): void {
    this.#requests.add({ waiting: [...jobs], running: 0 });
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (;;) {
      this.#admit();
      const groups = [...this.#groups.values()].filter(({ isEmpty }) => !isEmpty);
      if (groups.length === 0) break;
      for (const group of groups) await group.step();
      await nextTurn();
    }
    this.#isRunning = false;
  }

  /** Fills free places with waiting jobs: those of the request that has the fewest running come first. */
  #admit(): void {
    for (;;) {
      const request = this.#next();
      const job = request?.waiting[0];
      if (!request || !job) return;
      if (this.#sequences > 0 && this.#sequences + sequencesOf(job) > MOST_SEQUENCES) return;
      request.waiting.shift();
      this.#start(request, job);
    }
  }

  #next(): Request | undefined {
    let next: Request | undefined;
    for (const request of this.#requests) {
      while (request.waiting[0]?.signal.aborted) request.waiting.shift();
      if (request.waiting.length === 0) this.#forgetIfDone(request);
      else if (!next || request.running < next.running) next = request;
    }
    return next;
  }

  #start(request: Request, job: Job): void {
    request.running++;
    this.#sequences += sequencesOf(job);
    this.#requestOf.set(job, request);
    const key = this.routes.canShare(job.adapter) ? undefined : job.adapter;
    const group = this.#groups.get(key) ?? new BatchGroup(this.model, this.routes, (left) => this.#left(left));
    this.#groups.set(key, group);
    try {
      group.add(job);
    } catch (error) {
      job.onError(error);
      this.#left(job);
    }
  }

  #left(job: Job): void {
    const request = this.#requestOf.get(job) as Request;
    this.#requestOf.delete(job);
    this.#sequences -= sequencesOf(job);
    request.running--;
    this.#forgetIfDone(request);
  }

  #forgetIfDone(request: Request): void {
    if (request.running === 0 && request.waiting.length === 0) this.#requests.delete(request);
  }
}
