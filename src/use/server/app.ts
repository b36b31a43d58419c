/** The routes of a server. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { CacheDtype } from "../../models/nn/index.js";
import { isOfLanguageModel, type TaskKind } from "../../tasks/index.js";
import { returnFreedMemory } from "../../torch/index.js";
import { answer, HAS_LEFT } from "./answers.js";
import { ApiError, invalid, isOwnFault, toApiError } from "./apiError.js";
import { Embedder, embeddingsJson } from "./embedder.js";
import { Engine } from "./engine/engine.js";
import { admittedOrigin, isPreflight, Places, preflight, refuseCompressed, requireKey } from "./guards.js";
import { ServerMetrics } from "./metrics.js";
import { type Plan, TextPlans } from "./plans.js";
import { Bodies } from "./requests/bodies.js";
import type { RequestKind, RequestOf } from "./requests/readers.js";
import { Reranker, rerankJson } from "./reranker.js";
import type { ServedKind, ServedModel } from "./servedModel.js";

/** The status, as nginx counts it, of a request whose client left before the answer. */
const CLIENT_LEFT = 499;

/** Milliseconds without a request after which freed memory is given back: computing with it again is slower at first. */
const QUIET = 5000;

export interface AppOptions {
  /** That the server listens on. */
  readonly host: string;
  readonly apiKey: string | undefined;
  /** Of other servers' pages that may send requests. */
  readonly allowedOrigins: readonly string[];
  readonly maxConcurrentRequests: number;
  /** How keys and values are cached. */
  readonly cacheDtype: CacheDtype;
  /** Aborted when the server stops, with the error for requests that are not finished. */
  readonly closing: AbortSignal;
  /** Called with errors that are not the client's. */
  onError(error: unknown): void;
}

/** What answers the routes that generate text. */
interface TextParts {
  readonly engine: Engine;
  readonly plans: TextPlans;
}

/** What a request gets that no text is generated for. */
interface Computed {
  readonly tokens: number;
  readonly json: Promise<string>;
}

/** What a model of each kind does, and where it is asked for. */
const ROUTES: Readonly<Record<ServedKind, readonly [does: string, route: string]>> = {
  "causal-lm": ["generates text", "/v1/completions"],
  embedding: ["makes embeddings", "/v1/embeddings"],
  reranking: ["ranks documents", "/v1/rerank"],
};

/** What a request has besides itself. */
interface Env {
  readonly Variables: { readonly [HAS_LEFT]?: Promise<boolean> };
}

export class App {
  readonly hono = new Hono<Env>();
  /** For a language model. */
  readonly #text: TextParts | undefined;
  readonly #bodies = new Bodies();
  readonly #places: Places;
  readonly #metrics: ServerMetrics;
  readonly #embedder: Embedder;
  readonly #reranker: Reranker;
  #quiet: NodeJS.Timeout | undefined;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(
    private readonly served: ServedModel,
    private readonly options: AppOptions,
  ) {
    const { base, routes, draft } = served;
    if (isOfLanguageModel(base.task))
      this.#text = {
        engine: new Engine(base.model, routes, { draft, cacheDtype: options.cacheDtype }),
        plans: new TextPlans(served),
      };
    this.#embedder = new Embedder(served);
    this.#reranker = new Reranker(served);
    this.#places = new Places(options.maxConcurrentRequests);
    this.#metrics = new ServerMetrics(() => this.#text?.engine.load ?? { running: 0, waiting: 0 });
    this.#addGuards();
    this.#addRoutes();
  }

  /** Ends the threads of grammars and bodies. */
  dispose(): void {
    this.#text?.plans.dispose();
    this.#bodies.dispose();
    clearTimeout(this.#quiet);
  }

  #addGuards(): void {
    const { hono } = this;
    const { host, apiKey, allowedOrigins, closing } = this.options;
    hono.onError((error, c) => {
      const known = toApiError(error);
      if (isOwnFault(error) && !c.req.raw.signal.aborted) this.options.onError(error);
      return c.json(known.body, known.status);
    });
    hono.notFound((c) => c.json(new ApiError(404, `There is no ${c.req.method} ${c.req.path}.`).body, 404));
    hono.use(async (c, next) => {
      const isKnown = hono.routes.some(({ path }) => path === c.req.path);
      const count = (status: number) => this.#metrics.countRequest(isKnown ? c.req.path : "other", status);
      let status = CLIENT_LEFT;
      try {
        await next();
        if (!c.req.raw.signal.aborted) status = c.res.status;
      } finally {
        void Promise.resolve(c.get(HAS_LEFT)).then((hasLeft) => count(hasLeft ? CLIENT_LEFT : status));
      }
    });
    hono.use(async (c, next) => {
      // Caches keep what one origin may read apart from what another may.
      if (allowedOrigins.length > 0) c.header("vary", "Origin");
      const origin = admittedOrigin(c.req.raw.headers, host, allowedOrigins);
      if (origin !== undefined) c.header("access-control-allow-origin", origin);
      if (origin !== undefined && isPreflight(c.req)) return preflight(c);
      if (c.req.path !== "/health") requireKey(c.req.raw.headers, apiKey);
      closing.throwIfAborted();
      refuseCompressed(c.req.raw.headers);
      await next();
      if (c.req.method === "POST") this.#returnMemory();
    });
    const onMethodNotAllowed = (c: Context, methods: string[]) => {
      const allow = methods.join(", ");
      const error = new ApiError(405, `${c.req.path} takes ${allow}; got ${c.req.method}.`);
      return c.json(error.body, error.status, { allow });
    };
    hono.use(methodNotAllowed({ app: hono, onMethodNotAllowed }));
  }

  #addRoutes(): void {
    const { hono } = this;
    hono.get("/health", (c) => c.json({ status: "ok" }));
    hono.get("/metrics", async (c) =>
      c.body(await this.#metrics.text, 200, { "content-type": this.#metrics.contentType }),
    );
    hono.get("/v1/models", (c) =>
      c.json({ object: "list", data: [...this.served.adapters.keys()].map((id) => this.#shown(id)) }),
    );
    hono.get("/v1/models/:model", (c) => {
      this.#requireModel(c.req.param("model"));
      return c.json(this.#shown(c.req.param("model")));
    });
    hono.post("/v1/chat/completions", (c) => this.#generate(c, "chat", (plans, ...asked) => plans.chat(...asked)));
    hono.post("/v1/completions", (c) =>
      this.#generate(c, "completions", (plans, ...asked) => plans.completion(...asked)),
    );
    hono.post("/v1/embeddings", (c) =>
      this.#compute(c, "embeddings", "embedding", async (request, signal) => {
        const embeddings = await this.#embedder.embed(request.model, request.input, signal);
        return { tokens: embeddings.tokens, json: embeddingsJson(request, embeddings) };
      }),
    );
    hono.post("/v1/rerank", (c) =>
      this.#compute(c, "rerank", "reranking", async (request, signal) => {
        const scored = await this.#reranker.score(request, signal);
        return { tokens: scored.tokens, json: rerankJson(request, scored) };
      }),
    );
  }

  /** Gives freed memory back once no request has come for a while. */
  #returnMemory(): void {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      if (this.#places.taken === 0) returnMemory();
      else this.#returnMemory();
    }, QUIET).unref();
  }

  async #generate<Kind extends Exclude<RequestKind, "embeddings" | "rerank">>(
    c: Context,
    kind: Kind,
    plan: (plans: TextPlans, request: RequestOf<Kind>, signal: AbortSignal) => Promise<Plan>,
  ): Promise<Response> {
    const start = performance.now();
    const request = await this.#bodies.read(kind, c);
    this.#requireModel(request.model, "causal-lm");
    const release = this.#places.take();
    const { closing, onError } = this.options;
    const { base } = this.served;
    const { engine, plans } = this.#text as TextParts;
    const own = { engine, tokenizer: base.tokenizer, metrics: this.#metrics };
    try {
      const planned = await plan(plans, request, AbortSignal.any([c.req.raw.signal, closing]));
      return await answer(c, planned, { ...own, release, closing, start, onError });
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Answers a request that no text is generated for. @param answer its number of tokens, and the response */
  async #compute<Kind extends RequestKind>(
    c: Context,
    kind: Kind,
    task: TaskKind,
    answer: (request: RequestOf<Kind>, signal: AbortSignal) => Promise<Computed>,
  ): Promise<Response> {
    const request = await this.#bodies.read(kind, c);
    this.#requireModel(request.model, task);
    const release = this.#places.take();
    try {
      const { tokens, json } = await answer(request, AbortSignal.any([c.req.raw.signal, this.options.closing]));
      this.#metrics.countTokens(request.model, "prompt", tokens);
      return c.body(await json, 200, { "content-type": "application/json" });
    } finally {
      release();
    }
  }

  /** @param kind of model that the route is for @throws ApiError 404, or 400 for another kind */
  #requireModel(model: string, kind?: TaskKind): void {
    const { adapters, base } = this.served;
    if (!adapters.has(model))
      throw new ApiError(
        404,
        `There is no model ${JSON.stringify(model)}; expected ${[...adapters.keys()].join(" or ")}.`,
        {
          code: "model_not_found",
          param: "model",
        },
      );
    if (kind === undefined || base.kind === kind) return;
    const [does, route] = ROUTES[base.kind as ServedKind];
    throw invalid(`${model} ${does}, which is asked for at ${route}.`, "model");
  }

  #shown(id: string): object {
    return { id, object: "model", created: this.#created, owned_by: "bidora" };
  }
}

/** Gives memory back to the system. Node collects garbage when it allocates, which it does not while it waits: it is told to. */
function returnMemory(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect({ execution: "async" });
  setTimeout(returnFreedMemory, COLLECTED).unref();
}

/** Milliseconds after which the garbage has been collected. */
const COLLECTED = 1000;
