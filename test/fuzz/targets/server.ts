// Requests to a server, in this process.
import { setTimeout } from "node:timers/promises";
import fc from "fast-check";
import { App } from "../../../src/use/server/app.js";
import { disposeServed, openServed, type ServedModel } from "../../../src/use/server/servedModel.js";
import { goldenFolder, placed } from "../files.js";
import { faultOfMessage } from "../judge.js";
import { mutatedJsonText, mutatedText } from "../mutations.js";
import { target } from "../target.js";

const TEMPLATE =
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

const FORMAT = {
  type: "json_schema",
  json_schema: { name: "x", schema: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] } },
};

const BODIES = [
  {
    model: "served",
    prompt: "a b",
    max_tokens: 3,
    temperature: 1,
    top_p: 0.5,
    n: 2,
    logprobs: 2,
    echo: true,
    seed: 1,
    stop: ["x"],
  },
  {
    model: "served",
    prompt: [1, 2, 3],
    max_tokens: 2,
    stream: true,
    stream_options: { include_usage: true },
    logit_bias: { 5: 10 },
  },
  {
    model: "served",
    messages: [{ role: "user", content: "a" }],
    max_completion_tokens: 3,
    logprobs: true,
    top_logprobs: 2,
  },
  {
    model: "served",
    messages: [
      { role: "system", content: [{ type: "text", text: "a" }] },
      { role: "assistant", content: "b", name: "c" },
    ],
    stream: true,
    max_tokens: 2,
  },
  { model: "served", messages: [{ role: "user", content: "a" }], max_tokens: 4, response_format: FORMAT },
  { model: "served", input: ["a b", "c"], encoding_format: "base64", dimensions: 4, user: "x" },
  { model: "served", query: "a", documents: ["a b", { text: "c" }], top_n: 1, return_documents: true },
].map((body) => JSON.stringify(body));

const ROUTES = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/embeddings",
  "/v1/rerank",
  "/v1/models",
  "/v1/models/served",
  "/health",
  "/metrics",
  "/",
  "/v1/models/%00",
  "//x",
];

const headerValue = fc.oneof(
  fc.constantFrom(
    "application/json",
    "text/plain; charset=utf-16",
    "identity",
    "gzip",
    "Bearer KEY",
    "Bearer  ",
    "chunked",
    "-1",
    "1e9",
    "http://evil",
    "close",
    "*/*",
  ),
  fc.string({ maxLength: 20, unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code)) }),
);
const header = fc.tuple(
  fc.constantFrom(
    "content-type",
    "content-encoding",
    "accept",
    "authorization",
    "origin",
    "host",
    "x-request-id",
    "content-length",
    "range",
    "expect",
  ),
  headerValue,
);

const requests = target({
  name: "server",
  inTests: 15,
  inputs: fc.record({
    route: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...ROUTES.slice(0, 3)) },
      { weight: 1, arbitrary: fc.constantFrom(...ROUTES) },
    ),
    method: fc.oneof(
      { weight: 8, arbitrary: fc.constant("POST") },
      { weight: 1, arbitrary: fc.constantFrom("GET", "PUT", "DELETE", "OPTIONS", "HEAD") },
    ),
    headers: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(header, { maxLength: 3 }) },
    ),
    body: fc.oneof(
      { weight: 5, arbitrary: mutatedJsonText(BODIES) },
      { weight: 1, arbitrary: mutatedText(BODIES) },
      { weight: 1, arbitrary: fc.constantFrom(...BODIES) },
    ),
    /** After how many pieces of the answer the client leaves. */
    leavesAfter: fc.option(fc.nat(3)),
  }),
  async open() {
    const folder = placed({ ...goldenFolder("generation/llama"), "chat_template.jinja": TEMPLATE }, "served");
    const generating = await openServed({ model: folder, dtype: "float32" });
    const closing = new AbortController();
    app = new App(generating, {
      host: "127.0.0.1",
      apiKey: undefined,
      allowedOrigins: ["http://localhost:3000"],
      maxConcurrentRequests: 4,
      cacheDtype: "auto",
      closing: closing.signal,
      onError: (error) => failures.push(error),
    });
    served = generating;
    await send({
      route: "/v1/chat/completions",
      method: "POST",
      headers: [],
      body: BODIES[4] as string,
      leavesAfter: null,
    });
  },
  async run(request) {
    failures.length = 0;
    await send(request);
    await settled();
    if (failures.length > 0) throw failures[0];
  },
  async close() {
    app?.dispose();
    if (served) disposeServed(served);
  },
});

interface Sent {
  readonly route: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly leavesAfter: number | null;
}

let app: App | undefined;
let served: ServedModel | undefined;
const failures: unknown[] = [];

async function send({ route, method, headers, body, leavesAfter }: Sent): Promise<void> {
  const leaving = new AbortController();
  const request = requestOf({ route, method, headers, body, leavesAfter }, leaving.signal);
  if (request === undefined) return;
  const response = await (app as App).hono.fetch(request);
  const text = await readUntil(response, leavesAfter, leaving);
  if (response.status >= 500) throw new Error(`status ${response.status}: ${text}`);
  if (response.status >= 400 && method !== "HEAD" && leavesAfter === null) checkError(text);
}

/** A request, or undefined for one that no client can send. */
function requestOf({ route, method, headers, body }: Sent, signal: AbortSignal): Request | undefined {
  try {
    const own = new Headers([
      ["host", "127.0.0.1"],
      ["content-type", "application/json"],
    ]);
    for (const [name, value] of headers) own.set(name, value);
    const hasBody = method !== "GET" && method !== "HEAD";
    return new Request(`http://127.0.0.1${route}`, {
      method,
      headers: own,
      signal,
      ...(hasBody && { body: Buffer.from(body, "latin1") }),
    });
  } catch {
    return undefined;
  }
}

async function readUntil(response: Response, leavesAfter: number | null, leaving: AbortController): Promise<string> {
  if (leavesAfter === null) return response.text();
  const reader = response.body?.getReader();
  for (let i = 0; i < leavesAfter && reader; i++) if ((await reader.read()).done) break;
  leaving.abort();
  await reader?.cancel();
  return "";
}

function checkError(text: string): void {
  const { error } = JSON.parse(text) as { error: { message: string } };
  const fault = faultOfMessage(error.message);
  if (fault !== undefined) throw new Error(fault);
}

/** Waits until the work of requests whose clients left has ended. */
async function settled(): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const metrics = await (
      await (app as App).hono.fetch(new Request("http://127.0.0.1/metrics", { headers: { host: "127.0.0.1" } }))
    ).text();
    if (/^bidora_choices_running 0$/m.test(metrics) && /^bidora_choices_waiting 0$/m.test(metrics)) return;
    await setTimeout(5);
  }
  throw new Error("the work of a request never ends");
}

export const serverTargets = [requests];
