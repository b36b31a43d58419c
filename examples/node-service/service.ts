// An HTTP service without a framework, for a model with its adapter: node build/examples/node-service/service.js ADAPTER|MODEL [PORT]
//   curl -d '["call now to win"]' http://127.0.0.1:3000/predict       any task: the predictions of a list of rows
//   curl -N -d '{"prompt":"Once upon"}' http://127.0.0.1:3000/generate   language models: the text as it is generated
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { BidoraError, type InputRow, load, type Message } from "bidora";

const [folder = "runs/first", port = "3000"] = process.argv.slice(2);
const MOST_BYTES = 1_000_000;

const isAdapter = ["adapter_config.json", "bidora_adapter.safetensors"].some((file) => existsSync(join(folder, file)));
const model = await load(isAdapter ? { adapter: folder } : { model: folder });

/** An error that is the client's, with its HTTP status. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The JSON of a request's body. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  if (!(Number(request.headers["content-length"]) <= MOST_BYTES))
    throw new Refusal(413, `A body needs a content-length of at most ${MOST_BYTES} bytes.`);
  try {
    return JSON.parse(await text(request));
  } catch {
    throw new Refusal(400, "The body is not JSON.");
  }
}

/** Aborts when the client hangs up, so that the model stops computing. */
function hangUpOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.on("close", () => controller.abort());
  return controller.signal;
}

async function predict(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const rows = (await bodyOf(request)) as InputRow[];
  const predictions = await model.predict(rows, {}, { signal: hangUpOf(response) });
  response.setHeader("content-type", "application/json").end(JSON.stringify(predictions));
}

async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = (await bodyOf(request)) as { prompt?: string; messages?: Message[]; maxNewTokens?: number };
  const { prompt, messages, ...settings } = body;
  const pieces = model.generate(messages ?? (prompt as string), settings, { signal: hangUpOf(response) });
  response.setHeader("content-type", "text/plain; charset=utf-8");
  for await (const piece of pieces) response.write(piece.text);
  response.end();
}

const ROUTES = new Map([
  ["POST /predict", predict],
  ["POST /generate", generate],
  ["GET /health", async (_: IncomingMessage, response: ServerResponse) => void response.end(`${model.task}\n`)],
]);

/** bidora's errors are sentences for whoever called; anything else is the service's own fault. */
function answerError(error: unknown, response: ServerResponse): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const status = error instanceof Refusal ? error.status : error instanceof BidoraError ? 400 : 500;
  if (status === 500) console.error(error);
  const message = status === 500 ? "The service failed." : (error as Error).message;
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ error: message }));
}

const server = createServer((request, response) => {
  const route = ROUTES.get(`${request.method} ${request.url}`);
  const done =
    route?.(request, response) ?? Promise.reject(new Refusal(404, "There are /predict, /generate, /health."));
  done.catch((error: unknown) => answerError(error, response));
});

// Only programs on this machine reach it. Calls may overlap: the model gives each the same results as alone.
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port} ${model.task}`);
});

// In good order: no new requests, running ones to their end, then the weights.
process.once("SIGTERM", () => server.close(() => model.dispose()));
