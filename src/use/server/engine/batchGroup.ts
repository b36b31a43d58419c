/** Jobs that are computed in one batch: they join and leave between its steps. */
import type { AdapterRoutes } from "../../../models/adapters/index.js";
import { type Computed, Continuations, type Continued, type Draft } from "../../../models/generation/index.js";
import type { TaskModel } from "../../../models/index.js";
import type { CacheDtype } from "../../../models/nn/index.js";
import { BatchRow } from "./batchRow.js";
import type { Job } from "./job.js";

/** The most tokens of prompts in a step, so that running jobs don't wait for long prompts. Each prompt gets at least one. */
const PROMPT_TOKENS = 256;

export class BatchGroup {
  /** Undefined while there are none. */
  #rows: Continuations<BatchRow> | undefined;

  constructor(
    private readonly model: TaskModel,
    private readonly routes: AdapterRoutes,
    private readonly draft: Draft | undefined,
    private readonly cacheDtype: CacheDtype,
    /** Called when a job has left the batch. */
    private readonly onLeft: (job: Job) => void,
  ) {}

  get isEmpty(): boolean {
    return !this.#rows || this.#rows.rows.length === 0;
  }

  add(job: Job): void {
    const row = new BatchRow(job);
    if (this.#rows?.rows.some((other) => other.lead(row))) return;
    this.#rows ??= this.#noRows();
    this.#rows.add(row, row.expectedTokens);
  }

  /** Calls the model with each sequence's adapter. */
  #noRows(): Continuations<BatchRow> {
    const { draft, cacheDtype, routes } = this;
    return new Continuations<BatchRow>(this.model, [], {
      draft,
      cacheDtype,
      order: byAdapter,
      pass(counts, compute) {
        const computed = counts
          .map(({ row, tokens, selected }) => ({ adapter: row.job.adapter, tokens, selected }))
          .filter(({ tokens }) => tokens > 0);
        return routes.pass(computed, () => compute(JSON.stringify(computed)));
      },
    });
  }

  /** Adds a token to every job whose prompt is computed, and computes a part of the other prompts. */
  async step(): Promise<void> {
    try {
      this.#afterLeaving(this.#rows?.remove(({ job }) => job.signal.aborted));
      if (this.#rows) this.#afterLeaving(this.#rows.select(await Promise.all(this.#compute(this.#rows).map(advanced))));
    } catch (error) {
      this.#afterLeaving(this.#rows?.remove((row) => failing(row, error)));
    }
  }

  #compute(rows: Continuations<BatchRow>): readonly Computed<BatchRow>[] {
    const shares = sharesOf(rows.rows.map(({ remaining }) => remaining));
    const canPause = (tokens: number, of: number) => this.model.backbone.cacheStaysValid(tokens, of);
    for (const [i, row] of rows.rows.entries()) row.plan(shares[i]!, canPause);
    return rows.compute(
      ({ drafted }) => drafted,
      (row, draft) => row.sequences(draft),
    );
  }

  /** @param left rows that have left the batch; those that waited for their prompts leave with them */
  #afterLeaving(left: readonly BatchRow[] = []): void {
    if (this.isEmpty) {
      this.#rows?.dispose();
      this.#rows = undefined;
    }
    for (const { job } of left.flatMap(({ all }) => all)) this.onLeft(job);
  }
}

/** Lets a row take the logits of its sequences. @returns what becomes of it: no sequences if it fails */
async function advanced({ row, logits, draft }: Computed<BatchRow>): Promise<readonly Continued<BatchRow>[]> {
  try {
    return await row.advance(logits, draft);
  } catch (error) {
    failing(row, error);
    return [{ row, parents: [] }];
  }
}

/** Ends a row's jobs with an error. */
function failing(row: BatchRow, error: unknown): true {
  for (const { job } of row.all) job.onError(error);
  return true;
}

const byAdapter = (a: BatchRow, b: BatchRow): number =>
  (a.job.adapter ?? "") < (b.job.adapter ?? "") ? -1 : a.job.adapter === b.job.adapter ? 0 : 1;

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
