// Servers in the test's process, and models for them.
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { type ServeSettings, serve } from "../../../src/app/commands/models/serve.js";
import type { Model } from "../../../src/use/inference/model.js";
import type { RunningServer } from "../../../src/use/server/serve.js";
import { GOLDEN } from "../../e2e/support.js";
import { freshPath } from "../../support/workFolder.js";

/** A model that ends many texts by itself, with byte tokens. */
export const LLAMA = join(GOLDEN, "generation/llama");
/** A model with adapters. */
export const ADAPTED = join(GOLDEN, "llama/lm");
export const adapterAt = (name: string): string => join(GOLDEN, "llama/adapters", name);

const TEMPLATE =
  "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

/** A copy of a model with a chat template, in a folder of this name. */
export function withTemplate(model = LLAMA, name = "chatty"): string {
  const folder = join(freshPath("models"), name);
  mkdirSync(folder, { recursive: true });
  cpSync(model, folder, { recursive: true });
  writeFileSync(join(folder, "chat_template.jinja"), TEMPLATE);
  return folder;
}

const models: Model[] = [];
afterAll(() => {
  for (const model of models) model.dispose();
});

/** An open model in float32, until the tests are done. */
export async function loaded(model: string, adapter?: string): Promise<Model> {
  const found = await load({ model, dtype: "float32", ...(adapter && { adapter }) });
  models.push(found);
  return found;
}

const opened: RunningServer[] = [];
afterAll(async () => {
  for (const server of opened) await server.close();
});

/** A server on a free port, closed after the file's tests, and OpenAI's client of it. */
export async function openServer(settings: ServeSettings, onNote: (note: string) => void = () => {}) {
  const server = await serve({ dtype: "float32", port: 0, ...settings }, { onNote });
  opened.push(server);
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: settings.apiKey ?? "none", maxRetries: 0 });
  return { server, client, url: server.url };
}

/** Posts a body as it is. A stream is read to its end, and has no JSON. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  const response = await fetch(url, { method: "POST", body: text as string, headers });
  const answer = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  return {
    status: response.status,
    json: (isStream ? {} : JSON.parse(answer)) as { error?: { message: string; param: string | null } },
  };
}

/** Waits until a condition holds. */
export async function until(holds: () => boolean | Promise<boolean>, milliseconds = 10_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("The condition does not come to hold.");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A number in `/metrics`. */
export async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? 0);
}
