// Serves a language model with its adapters, and requests a completion from each: node build/examples/serve.js MODEL [ADAPTER]…
import { serve } from "bidora";

const [model = "HuggingFaceTB/SmolLM2-135M-Instruct", ...adapter] = process.argv.slice(2);
const server = await serve({ model, port: 0, ...(adapter.length > 0 && { adapter }) });

interface Chunk {
  readonly choices: readonly { readonly text: string }[];
}

/** Streams a completion. Any client of OpenAI's protocol can do this. */
async function* complete(request: object): AsyncGenerator<string> {
  const response = await fetch(`${server.url}/v1/completions`, {
    method: "POST",
    body: JSON.stringify({ ...request, stream: true }),
  });
  let left = "";
  for await (const bytes of response.body!.pipeThrough(new TextDecoderStream())) {
    const events = (left + bytes).split("\n\n");
    left = events.pop()!;
    for (const event of events.filter((one) => one !== "data: [DONE]"))
      for (const { text } of (JSON.parse(event.slice("data: ".length)) as Chunk).choices) yield text;
  }
}

const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] };
for (const { id } of data) {
  process.stdout.write(`${id}: The capital of France is`);
  for await (const text of complete({ model: id, prompt: "The capital of France is", max_tokens: 20 }))
    process.stdout.write(text);
  process.stdout.write("\n");
}
await server.close();
