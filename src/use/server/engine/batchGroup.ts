/** Jobs that are computed in one batch: they join and leave between its steps. */
import type { AdapterRoutes } from "../../../models/adapters/index.js";
import {
  type Draft,
  Drafting,
  type PassCounts,
  SequenceBatch,
  type SequenceTokens,
} from "../../../models/generation/index.js";
import type { TaskModel } from "../../../models/index.js";
import type { CacheDtype } from "../../../models/nn/index.js";
import { type Advanced, BatchRow } from "./batchRow.js";
import type { Job } from "./job.js";

/** The most tokens of prompts in a step, so that running jobs don't wait for long prompts. Each prompt gets at least one. */
const PROMPT_TOKENS = 256;

/** A row, and how many sequences of the batch are its. */
interface Placed {
  readonly row: BatchRow;
  readonly count: number;
}

export class BatchGroup {
  /** In the order of the batch's sequences. */
  #placed: readonly Placed[] = [];
  #batch: SequenceBatch | undefined;
  #drafting: Drafting | undefined;

  constructor(
    private readonly model: TaskModel,
    private readonly routes: AdapterRoutes,
    private readonly draft: Draft | undefined,
    private readonly cacheDtype: CacheDtype,
    /** Called when a job has left the batch. */
    private readonly onLeft: (job: Job) => void,
  ) {}

  get isEmpty(): boolean {
    return this.#placed.length === 0;
  }

  add(job: Job): void {
    const row = new BatchRow(job);
    if (this.#placed.some((placed) => placed.row.lead(row))) return;
    this.#batch ??= new SequenceBatch(this.model, 0, this.cacheDtype, (counts, compute) => this.#pass(counts, compute));
    if (this.draft) this.#drafting ??= new Drafting(this.model, this.draft, 0);
    this.#batch.add([row.expectedTokens]);
    this.#drafting?.add([row.expectedTokens]);
    this.#placed = [...this.#placed, { row, count: 1 }];
  }

  /** Adds a token to every job whose prompt is computed, and computes a part of the other prompts. */
  async step(): Promise<void> {
    try {
      this.#rearrange(
        this.#placed.map(({ row, count }) => (row.job.signal.aborted ? leaving(row) : [{ row, parents: upTo(count) }])),
      );
      if (this.#batch) await this.#advanceAll(this.#batch);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #advanceAll(batch: SequenceBatch): Promise<void> {
    const shares = sharesOf(this.#placed.map(({ row }) => row.remaining));
    const canPause = (tokens: number, of: number) => this.model.backbone.cacheStaysValid(tokens, of);
    const drafts = this.#propose();
    const sequences = this.#placed.map(({ row }, i) =>
      row.sequences(drafts[i] as readonly number[], shares[i] as number, canPause),
    );
    const logits = batch.logitsAfter(sequences.flat());
    this.#rearrange(await this.#advance(sequences, logits));
  }

  /** The tokens that are proposed to each row. */
  #propose(): (readonly number[])[] {
    const drafts = this.#drafting?.propose(this.#placed.flatMap(({ row }) => row.drafted)) ?? [];
    let first = 0;
    return this.#placed.map(({ count }) => {
      first += count;
      return drafts[first - count] ?? [];
    });
  }

  /** Ends all jobs with an error. */
  #fail(error: unknown): void {
    this.#rearrange(this.#placed.map(({ row }) => failing(row, error)));
  }

  /** Gives each row the logits of its sequences. @returns each row, with no sequences if it fails, and those that waited for its prompt */
  #advance(
    sequences: readonly (readonly SequenceTokens[])[],
    logits: readonly Float32Array[][],
  ): Promise<(readonly Advanced[])[]> {
    let end = 0;
    const advanced = this.#placed.map(async ({ row }, i) => {
      end += (sequences[i] as readonly SequenceTokens[]).length;
      const own = logits.slice(end - (sequences[i] as readonly SequenceTokens[]).length, end);
      try {
        return await row.advance(own);
      } catch (error) {
        return failing(row, error);
      }
    });
    return Promise.all(advanced);
  }

  /** Drops, duplicates and reorders the sequences of each row; rows without any leave. Those of one adapter come together. */
  #rearrange(advanced: readonly (readonly Advanced[])[]): void {
    let first = 0;
    const rows = this.#placed.flatMap(({ count }, i) => {
      const start = first;
      first += count;
      const own = advanced[i] as readonly Advanced[];
      return own.map(({ row, parents }) => ({ row, sequences: parents.map((parent) => start + parent) }));
    });
    const left = rows.filter(({ sequences }) => sequences.length === 0);
    const kept = rows.filter(({ sequences }) => sequences.length > 0).sort(byAdapter);
    const selected = kept.flatMap(({ sequences }) => sequences);
    this.#batch?.select(selected);
    this.#drafting?.select(selected);
    if (kept.length === 0) this.#dispose();
    this.#placed = kept.map(({ row, sequences }) => ({ row, count: sequences.length }));
    for (const { row } of left) this.onLeft(row.job);
  }

  /** Calls the model with each sequence's adapter. */
  #pass<T>(counts: readonly PassCounts[], compute: (variant: string) => T): T {
    const adapters = this.#placed.flatMap(({ row, count }) =>
      new Array<string | undefined>(count).fill(row.job.adapter),
    );
    const routes = counts.map(({ tokens, selected }, i) => ({ adapter: adapters[i], tokens, selected }));
    const computed = routes.filter(({ tokens }) => tokens > 0);
    return this.routes.pass(computed, () => compute(JSON.stringify(computed)));
  }

  #dispose(): void {
    this.#batch?.dispose();
    this.#drafting?.dispose();
    this.#batch = undefined;
    this.#drafting = undefined;
  }
}

/** A row that leaves the batch, with those that wait for it. */
const leaving = (row: BatchRow): readonly Advanced[] => row.all.map((one) => ({ row: one, parents: [] }));

function failing(row: BatchRow, error: unknown): readonly Advanced[] {
  for (const { job } of row.all) job.onError(error);
  return leaving(row);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const byAdapter = (a: { readonly row: BatchRow }, b: { readonly row: BatchRow }): number =>
  (a.row.job.adapter ?? "") < (b.row.job.adapter ?? "") ? -1 : a.row.job.adapter === b.row.job.adapter ? 0 : 1;

/** The tokens to compute of prompts with so many tokens left: all get the same share, and what short ones leave goes to the others. */
function sharesOf(remaining: readonly number[]): number[] {
  const shares = remaining.map(() => 0);
  const order = [...remaining.keys()].filter((i) => (remaining[i] as number) > 0);
  order.sort((a, b) => (remaining[a] as number) - (remaining[b] as number));
  let left = PROMPT_TOKENS;
  for (const [rank, i] of order.entries()) {
    shares[i] = Math.max(1, Math.min(remaining[i] as number, Math.floor(left / (order.length - rank))));
    left -= shares[i] as number;
  }
  return shares;
}
