/** What a server counts, for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TOKEN_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

interface Load {
  readonly running: number;
  readonly waiting: number;
}

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"route" | "status">;
  readonly #tokens: Counter<"model" | "kind">;
  readonly #firstToken: Histogram<"model">;
  readonly #nextToken: Histogram<"model">;

  /** @param load asked for at each reading */
  constructor(load: () => Load) {
    const registers = [this.#registry];
    const counter = { registers };
    this.#requests = new Counter({
      ...counter,
      name: "bidora_requests_total",
      help: "Requests by route and HTTP status",
      labelNames: ["route", "status"],
    });
    this.#tokens = new Counter({
      ...counter,
      name: "bidora_tokens_total",
      help: "Tokens of prompts, and generated tokens",
      labelNames: ["model", "kind"],
    });
    const histogram = { registers, labelNames: ["model"] as const };
    this.#firstToken = new Histogram({
      ...histogram,
      name: "bidora_time_to_first_token_seconds",
      help: "Time from a request to its first token",
      buckets: SECONDS,
    });
    this.#nextToken = new Histogram({
      ...histogram,
      name: "bidora_time_per_token_seconds",
      help: "Time between the tokens of a request, per choice",
      buckets: TOKEN_SECONDS,
    });
    for (const state of ["running", "waiting"] as const)
      new Gauge({
        registers,
        name: `bidora_choices_${state}`,
        help: state === "running" ? "Choices that are being computed" : "Choices that wait for a place in the batch",
        collect() {
          this.set(load()[state]);
        },
      });
  }

  countRequest(route: string, status: number): void {
    this.#requests.inc({ route, status: String(status) });
  }

  countTokens(model: string, kind: "prompt" | "generated", tokens: number): void {
    this.#tokens.inc({ model, kind }, tokens);
  }

  /** Measures the times of a request's pieces as they pass. @param start when the request came, as `performance.now()` */
  async *timing<Piece extends { readonly index: number; readonly tokens: readonly number[] }>(
    model: string,
    pieces: AsyncIterable<Piece>,
    start: number,
  ): AsyncGenerator<Piece> {
    const last = new Map<number, number>();
    for await (const piece of pieces) {
      const now = performance.now();
      if (piece.tokens.length > 0) {
        const before = last.get(piece.index);
        if (before !== undefined) this.#nextToken.observe({ model }, (now - before) / 1000);
        else if (last.size === 0) this.#firstToken.observe({ model }, (now - start) / 1000);
        last.set(piece.index, now);
        this.countTokens(model, "generated", piece.tokens.length);
      }
      yield piece;
    }
  }

  /** All of it in Prometheus' text format. */
  get text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
