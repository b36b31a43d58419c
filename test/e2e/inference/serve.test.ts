// `bidora serve` as a process: its line, its end by signals, and the clients that people use.
import { Agent, get } from "node:http";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";
import { expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { LLAMA, openServer, until, withTemplate } from "../../use/server/openServer.js";
import { bidora, start } from "../support.js";

/** Starts a server and waits for its line. */
async function started(...argv: readonly string[]) {
  const { child, ended } = start("serve", "--model", LLAMA, "--port", "0", ...argv);
  let [stderr, stdout] = ["", ""];
  child.stderr?.on("data", (data) => {
    stderr += data;
  });
  child.stdout?.on("data", (data) => {
    stdout += data;
  });
  await until(() => stderr.includes("Listening"), 60_000);
  return { child, ended, url: /^Listening on (\S+)$/m.exec(stderr)?.[1] as string, output: () => ({ stderr, stdout }) };
}

test.each([
  ["SIGTERM", 0],
  ["SIGINT", 130],
] as const)("%s ends it with status %i, whatever connections are open", async (signal, status) => {
  const { child, ended, url, output } = await started();
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const agent = new Agent({ keepAlive: true });
  await new Promise<void>((resolve) => {
    get(`${url}/health`, { agent }, (response) => response.resume().on("end", resolve));
  });
  const body = JSON.stringify({ model: "llama", prompt: [5], n: 128, max_tokens: 95, stream: true, temperature: 2 });
  const response = await fetch(`${url}/v1/completions`, { method: "POST", body });
  const begin = performance.now();
  child.kill(signal);
  expect(await ended).toBe(status);
  expect(performance.now() - begin).toBeLessThan(5000);
  expect(await response.text()).toMatch(/data: (\[DONE\]|.*"error".*)\n\n$/);
  expect(output().stdout).toBe("");
  agent.destroy();
});

test("a port in use, and wrong settings, are refused in a sentence", async () => {
  const { url } = await openServer({ model: LLAMA });
  const port = new URL(url).port;
  expect(await bidora("serve", "--model", LLAMA, "--port", port)).toMatchObject({
    status: 1,
    stderr: `bidora: Port ${port} of 127.0.0.1 can't be used: the port is in use. Give another --port, or 0 for any free one.\n`,
  });
  expect((await bidora("serve", "--model", LLAMA, "--port", "70000")).status).toBe(2);
  expect(await bidora("serve")).toMatchObject({ status: 2, stderr: expect.stringContaining("--model is missing") });
  const twice = ["--adapter", "a/x", "--adapter", "b/x"];
  expect((await bidora("serve", "--model", LLAMA, ...twice)).status).toBe(1);
});

test("Vercel's AI SDK gets the texts that generate gives", async () => {
  const folder = withTemplate();
  const { url } = await openServer({ model: folder });
  const provider = createOpenAICompatible({ name: "bidora", baseURL: `${url}/v1`, includeUsage: true });
  const model = await load({ model: folder, dtype: "float32" });
  const messages = [{ role: "user" as const, content: "hi" }];
  const expected = await model.generate(messages, { temperature: 1, seed: 3, maxNewTokens: 20 });
  const request = { model: provider("chatty"), prompt: "hi", temperature: 1, seed: 3, maxOutputTokens: 20 };
  const { text, usage } = await generateText(request);
  expect([text, usage.outputTokens]).toEqual([expected.text, expected.tokens.length]);
  const stream = streamText(request);
  let streamed = "";
  for await (const piece of stream.textStream) streamed += piece;
  expect([streamed, (await stream.usage).outputTokens]).toEqual([expected.text, expected.tokens.length]);
  model.dispose();
});
