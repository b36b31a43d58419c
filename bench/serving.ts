// `npm run bench -- serving`: tokens per second of `bidora serve` with many clients at once, compared with one, in turns.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, unpinEnvironment } from "./programs.js";
import { randomIds, seeded } from "./setup/chatRows.js";
import { median } from "./turns/compare.js";

const { values } = parseArgs({
  options: {
    model: { type: "string" },
    adapter: { type: "string", multiple: true, default: [] },
    dtype: { type: "string", default: "auto" },
    clients: { type: "string", default: "16" },
    prompt: { type: "string", default: "32" },
    tokens: { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
  },
});
if (values.model === undefined) throw new Error("--model is missing: give a language model.");
const [clients, promptTokens, tokens] = [values.clients, values.prompt, values.tokens].map(Number) as [
  number,
  number,
  number,
];
unpinEnvironment();
const random = seeded();

/** What a client measured. */
interface Answer {
  readonly tokens: number;
  /** Seconds from the request to the first token. */
  readonly first: number;
}

async function ask(url: string, model: string): Promise<Answer> {
  const start = performance.now();
  const body = {
    ...{ model, prompt: randomIds(promptTokens, random), max_tokens: tokens, temperature: 0 },
    ...{ stream: true, stream_options: { include_usage: true } },
  };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body) });
  let [text, first] = ["", 0];
  for await (const piece of response.body as AsyncIterable<Uint8Array>) {
    first ||= (performance.now() - start) / 1000;
    text += Buffer.from(piece).toString();
  }
  const usage = /"completion_tokens":(\d+)/.exec(text)?.[1];
  if (usage === undefined) throw new Error(`The server answered ${text}`);
  return { tokens: Number(usage), first };
}

/** @returns tokens per second, and the longest time to a first token */
async function measure(url: string, models: readonly string[], count: number) {
  const start = performance.now();
  const all = await Promise.all(Array.from({ length: count }, (_, i) => ask(url, models[i % models.length] as string)));
  const rate = all.reduce((sum, answer) => sum + answer.tokens, 0) / ((performance.now() - start) / 1000);
  return { rate, first: Math.max(...all.map(({ first }) => first)) };
}

const adapters = values.adapter.flatMap((adapter) => ["--adapter", adapter]);
const args = ["serve", "--model", values.model, ...adapters, "--dtype", values.dtype, "--port", "0"];
const server = execFile(process.execPath, [join(ROOT, "bin/bidora.js"), ...args]);
try {
  const url = await new Promise<string>((resolve, reject) => {
    let stderr = "";
    server.stderr?.on("data", (data) => {
      stderr += data;
      const found = /^Listening on (\S+)$/m.exec(stderr)?.[1];
      if (found !== undefined) resolve(found);
    });
    server.on("exit", () => reject(new Error(stderr)));
  });
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  const models = data.map(({ id }) => id);
  await measure(url, models, clients);
  const ratios: number[] = [];
  for (let round = 0; round < Number(values.rounds); round++) {
    const [one, many] = [await measure(url, models, 1), await measure(url, models, clients)];
    ratios.push(many.rate / one.rate);
    const shown = [one.rate, many.rate, many.rate / one.rate].map((value) => value.toFixed(1));
    process.stdout.write(
      `1 client ${shown[0]} tokens/s, ${clients} clients ${shown[1]}, ratio ${shown[2]}; first token after ${one.first.toFixed(2)} and at most ${many.first.toFixed(2)} s\n`,
    );
  }
  process.stdout.write(
    `${clients} clients: ${median(ratios).toFixed(1)} times one client's tokens a second (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)})\n`,
  );
} finally {
  server.kill();
}
