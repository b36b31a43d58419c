/** Continuous batching: jobs of all requests are computed together, step by step. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { AdapterRoutes } from "../../../models/adapters/index.js";
import { type Draft, SequenceBatch } from "../../../models/generation/index.js";
import type { TaskModel } from "../../../models/index.js";
import type { CacheDtype } from "../../../models/nn/index.js";
import { memoryOf } from "../../../torch/devices/index.js";
import { BatchGroup } from "./batchGroup.js";
import { type Job, sequencesOf, tokensAtMost } from "./job.js";

/** The most sequences that are computed at once; further jobs wait. */
const MOST_SEQUENCES = 64;

/** The jobs of one request. */
interface Request {
  readonly waiting: Job[];
  running: number;
}

interface EngineOptions {
  /** Proposes tokens to all jobs. */
  readonly draft?: Draft | undefined;
  /** How keys and values are cached. */
  readonly cacheDtype?: CacheDtype | undefined;
  /** How many tokens of all sequences may be cached; a job that needs more is computed alone. */
  readonly mostTokens?: number;
}

export class Engine {
  /** The jobs that share passes, and those of each adapter that needs its own. */
  readonly #groups = new Map<string | undefined, BatchGroup>();
  readonly #requests = new Set<Request>();
  readonly #requestOf = new Map<Job, Request>();
  /** The sequences in batches, and the most tokens that they will have. */
  #sequences = 0;
  #tokens = 0;
  #isRunning = false;
  readonly #draft: Draft | undefined;
  readonly #cacheDtype: CacheDtype;
  readonly #mostTokens: number;

  constructor(
    private readonly model: TaskModel,
    private readonly routes: AdapterRoutes,
    { draft, cacheDtype = "auto", mostTokens = mostTokensOf(model, cacheDtype, draft) }: EngineOptions = {},
  ) {
    this.#draft = draft;
    this.#cacheDtype = cacheDtype;
    this.#mostTokens = mostTokens;
  }

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
      if (this.#sequences > 0 && !this.#hasRoom(job)) return;
      request.waiting.shift();
      this.#start(request, job);
    }
  }

  #hasRoom(job: Job): boolean {
    const isFull = this.#sequences + sequencesOf(job) > MOST_SEQUENCES;
    return !isFull && this.#tokens + tokensAtMost(job) <= this.#mostTokens;
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
    this.#tokens += tokensAtMost(job);
    this.#requestOf.set(job, request);
    const key = this.routes.canShare(job.adapter) ? undefined : job.adapter;
    const group = this.#groups.get(key) ?? this.#newGroup();
    this.#groups.set(key, group);
    try {
      group.add(job);
    } catch (error) {
      job.onError(error);
      this.#left(job);
    }
  }

  #newGroup(): BatchGroup {
    return new BatchGroup(this.model, this.routes, this.#draft, this.#cacheDtype, (left) => this.#left(left));
  }

  #left(job: Job): void {
    const request = this.#requestOf.get(job)!;
    this.#requestOf.delete(job);
    this.#sequences -= sequencesOf(job);
    this.#tokens -= tokensAtMost(job);
    request.running--;
    this.#forgetIfDone(request);
  }

  #forgetIfDone(request: Request): void {
    if (request.running === 0 && request.waiting.length === 0) this.#requests.delete(request);
  }
}

/** The share of the memory available at the start for cached tokens, which are copied to twice the room at times. */
const CACHE_SHARE = 0.3;

function mostTokensOf(model: TaskModel, cacheDtype: CacheDtype, draft: Draft | undefined): number {
  const batch = new SequenceBatch(model, 1, cacheDtype);
  batch.next([[0]]);
  const bytes = batch.bytesPerToken + (draft?.bytesPerToken ?? 0);
  batch.dispose();
  return Math.floor((CACHE_SHARE * memoryOf(model.device).free()) / bytes);
}
