// The AI SDK's own functions with a small random model.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AISDKError,
  InvalidArgumentError,
  InvalidPromptError,
  type LanguageModelV3StreamPart,
  NoSuchModelError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import { createProviderRegistry, generateText, type ModelMessage, streamText } from "ai";
import { load, type Message, type Model } from "bidora";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { BidoraLanguageModel } from "../src/languageModel.js";
import { createBidora } from "../src/provider.js";
import { chatModel, freshFolder, golden } from "./models.js";

const folder = chatModel();
const bidora = createBidora();
const model = bidora(folder);
let own: Model;
beforeAll(async () => {
  own = await load({ model: folder });
});
afterAll(async () => {
  await bidora.dispose();
  own.dispose();
});
afterEach(() => vi.restoreAllMocks());

const conversation: ModelMessage[] = [
  {
    role: "user",
    content: [
      { type: "text", text: "one" },
      { type: "text", text: "two" },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "text", text: "th" },
      { type: "text", text: "ree" },
    ],
  },
  { role: "user", content: "four" },
];
const messages: Message[] = [
  { role: "system", content: "two" },
  { role: "user", content: "one\ntwo" },
  { role: "assistant", content: "three" },
  { role: "user", content: "four" },
];

describe("generateText", () => {
  test("gives what bidora's generate gives, with token counts and the reason for the end", async () => {
    const expected = await own.generate(messages, { maxNewTokens: 6 });
    const { text } = own.tokenizer.chatTemplate().render(messages, { addGenerationPrompt: true });
    const [{ ids } = { ids: [] }] = await own.tokenizer.tokensOf([text]);
    const result = await generateText({ model, system: "two", messages: conversation, maxOutputTokens: 6 });
    expect(result.text).toBe(expected.text);
    expect(result.text.length).toBeGreaterThan(0);
    expect([result.finishReason, result.rawFinishReason]).toEqual(["length", "length"]);
    expect(result.usage).toMatchObject({ inputTokens: ids.length, outputTokens: 6, totalTokens: ids.length + 6 });
    expect(result.response).toMatchObject({ modelId: folder, id: expect.any(String), timestamp: expect.any(Date) });
    expect(result.warnings).toEqual([]);
  });

  test("samples by the call's settings: the same text for the same seed", async () => {
    const sampled = (seed: number) =>
      generateText({ model, prompt: "one", temperature: 3, topK: 0, maxOutputTokens: 12, seed });
    const expected = await own.generate([{ role: "user", content: "one" }], {
      ...{ temperature: 3, topK: 0, maxNewTokens: 12, seed: 7 },
    });
    const [first, again, other] = [await sampled(7), await sampled(7), await sampled(8)];
    expect(first.text).toBe(expected.text);
    expect(again.text).toBe(first.text);
    expect(other.text).not.toBe(first.text);
    const unseeded = () => generateText({ model, prompt: "one", temperature: 3, topK: 0, maxOutputTokens: 12 });
    expect((await unseeded()).text).not.toBe((await unseeded()).text);
  });

  test("takes bidora's further settings, and a seed that greedy decoding has no use for", async () => {
    const prompt: Message[] = [{ role: "user", content: "one" }];
    const greedy = await own.generate(prompt, { maxNewTokens: 40 });
    const penalized = await own.generate(prompt, { maxNewTokens: 40, repetitionPenalty: 4 });
    expect(penalized.text).not.toBe(greedy.text);
    const given = { model, prompt: "one", maxOutputTokens: 40, seed: 3 };
    const result = await generateText({ ...given, providerOptions: { bidora: { repetitionPenalty: 4 } } });
    expect(result.text).toBe(penalized.text);
    expect((await generateText({ ...given, temperature: 0 })).text).toBe(greedy.text);
  });

  test("ends at a stop sequence, which is not in the text", async () => {
    const { text } = await generateText({ model, prompt: "one", maxOutputTokens: 8 });
    const stop = text.slice(4, 7);
    const { text: stopped, finishReason } = await generateText({
      ...{ model, prompt: "one", maxOutputTokens: 8, stopSequences: [stop] },
    });
    expect(stopped).toBe(text.slice(0, text.indexOf(stop)));
    expect(finishReason).toBe("stop");
  });

  test("warns of what it has nothing for", async () => {
    const { warnings = [] } = await generateText({
      ...{ model, prompt: "one", maxOutputTokens: 1, temperature: 0, topP: 0.5, topK: 3 },
      ...{ presencePenalty: 1, frequencyPenalty: 1 },
    });
    expect(warnings.map((warning) => [warning.type, "feature" in warning && warning.feature])).toEqual(
      ["presencePenalty", "frequencyPenalty", "topP", "topK"].map((name) => ["unsupported", name]),
    );
    const provided = [{ type: "provider" as const, id: "openai.web_search" as const, name: "search", args: {} }];
    const tools = [{ type: "function" as const, name: "look", inputSchema: {} }];
    const warned = async (more: object) =>
      (await model.doGenerate({ ...callOf("one"), maxOutputTokens: 1, ...more })).warnings.map(
        (warning) => "feature" in warning && warning.feature,
      );
    expect(await warned({ tools: provided, toolChoice: { type: "required" } })).toEqual(["tool search"]);
    expect(await warned({ tools, responseFormat: { type: "json" } })).toEqual(["tools"]);
    expect(await warned({ tools, toolChoice: { type: "none" } })).toEqual([]);
    const completion = bidora.completionModel(folder);
    const ofCompletion = async (more: object) =>
      (await completion.doGenerate({ ...callOf("one"), maxOutputTokens: 1, tools, ...more })).warnings;
    const unsupported = { type: "unsupported", feature: "tools", details: "a completion model calls no tools" };
    expect(await ofCompletion({ toolChoice: { type: "auto" } })).toEqual([unsupported]);
    expect(await ofCompletion({ toolChoice: { type: "none" } })).toEqual([]);
  });

  test("several calls at once give what each gives alone", async () => {
    const prompts = ["one", "two three", "four five six"];
    const call = (prompt: string) => generateText({ model, prompt, maxOutputTokens: 10 });
    const alone = [];
    for (const prompt of prompts) alone.push((await call(prompt)).text);
    const together = await Promise.all(prompts.map(call));
    expect(together.map(({ text }) => text)).toEqual(alone);
    expect(new Set(alone).size).toBe(3);
  });

  test("ends with an aborted signal's reason", async () => {
    const controller = new AbortController();
    const generating = generateText({ model, prompt: "one", maxOutputTokens: 60, abortSignal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    await expect(generating).rejects.toMatchObject({ name: "AbortError" });
    const before = AbortSignal.abort();
    await expect(model.doGenerate({ ...callOf("one"), abortSignal: before })).rejects.toBe(before.reason);
  });
});

/** The options of a direct call. */
const callOf = (text: string) => ({ prompt: [{ role: "user" as const, content: [{ type: "text" as const, text }] }] });

describe("streamText", () => {
  test("streams pieces in order, and ends with the counts", async () => {
    const result = streamText({ model, prompt: "one", maxOutputTokens: 20 });
    const parts = [];
    for await (const part of result.fullStream) parts.push(part);
    const types = parts.map(({ type }) => type);
    const deltas = parts.flatMap((part) => (part.type === "text-delta" ? [part.text] : []));
    expect(deltas.length).toBeGreaterThan(3);
    expect(types.filter((type) => type !== "text-delta")).toEqual([
      ...["start", "start-step", "text-start", "text-end", "finish-step", "finish"],
    ]);
    const { text, usage } = await generateText({ model, prompt: "one", maxOutputTokens: 20 });
    expect(deltas.join("")).toBe(text);
    expect(await result.text).toBe(text);
    expect(await result.usage).toEqual(usage);
    expect([await result.finishReason, (await result.response).modelId]).toEqual(["length", folder]);
  });

  test("has the provider's parts in the order that the AI SDK requires, and raw pieces on request", async () => {
    const { stream } = await model.doStream({ ...callOf("one"), maxOutputTokens: 2, includeRawChunks: true });
    const parts = await partsOf(stream);
    expect(parts.map(({ type }) => type).filter((type) => type !== "text-delta")).toEqual([
      ...["stream-start", "response-metadata", "text-start", "raw", "raw", "text-end", "finish"],
    ]);
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: "length", raw: "length" } });
  });

  test("ends with an abort part when its signal aborts", async () => {
    const controller = new AbortController();
    const abortSignal = controller.signal;
    const onError = vi.fn();
    const result = streamText({ model, prompt: "one", maxOutputTokens: 60, abortSignal, onError });
    const types: string[] = [];
    for await (const part of result.fullStream) {
      types.push(part.type);
      if (part.type === "text-delta") controller.abort();
    }
    expect(types.at(-1)).toBe("abort");
    expect(onError).not.toHaveBeenCalled();
  });

  test("breaks off with its signal's reason", async () => {
    const controller = new AbortController();
    const call = { ...callOf("one"), maxOutputTokens: 60, abortSignal: controller.signal };
    const { stream } = await model.doStream(call);
    controller.abort(new Error("enough"));
    await expect(partsOf(stream)).rejects.toThrow("enough");
  });

  test("a reader who leaves ends the generation", async () => {
    let ended = false;
    const endless = fakeModel(async function* () {
      try {
        for (;;) yield piece("a");
      } finally {
        ended = true;
      }
    });
    const { stream } = await endless.doStream(callOf("one"));
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(ended).toBe(true);
  });

  test("an error on the way is a part, followed by the finish part with what was generated", async () => {
    const failing = fakeModel(async function* () {
      yield piece("a");
      throw Object.assign(new Error("Its weights are not finite."), { name: "BidoraError", code: "NOT_FINITE" });
    });
    const parts: LanguageModelV3StreamPart[] = await partsOf((await failing.doStream(callOf("one"))).stream);
    expect(parts.slice(-2)).toMatchObject([
      { type: "error", error: { name: "AI_Bidora_NOT_FINITE", message: "Its weights are not finite." } },
      { type: "finish", finishReason: { unified: "error" }, usage: { outputTokens: { total: 1 } } },
    ]);
    await expect(failing.doGenerate(callOf("one"))).rejects.toBeInstanceOf(AISDKError);
  });
});

async function partsOf(stream: ReadableStream<LanguageModelV3StreamPart>): Promise<LanguageModelV3StreamPart[]> {
  const parts: LanguageModelV3StreamPart[] = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

const piece = (text: string) => ({ prompt: 0, tokens: [1], finish: undefined, text });

/** A model whose generation is given. */
function fakeModel(generate: () => AsyncGenerator<ReturnType<typeof piece>>): BidoraLanguageModel {
  const tokenizer = { chatTemplate: () => ({ render: () => ({ text: "" }) }), tokensOf: async () => [{ ids: [] }] };
  return new BidoraLanguageModel("fake", "chat", async () => ({ tokenizer, generate }) as unknown as Model);
}

describe("errors are the AI SDK's own", () => {
  const rejected = (given: Partial<Parameters<typeof generateText>[0]>) =>
    generateText({ model, prompt: "one", maxRetries: 0, ...given } as Parameters<typeof generateText>[0]).then(
      () => undefined,
      (error: unknown) => error,
    );

  test("for a model that is not there, and the next call tries again", async () => {
    const path = join(freshFolder(), "later");
    const later = bidora(path);
    const error = await rejected({ model: later });
    expect(NoSuchModelError.isInstance(error) && error.modelId).toBe(path);
    cpSync(folder, path, { recursive: true });
    expect((await generateText({ model: later, prompt: "one", maxOutputTokens: 1 })).finishReason).toBe("length");
  });

  test("for a prompt: without a chat template, too long, or one that the template refuses", async () => {
    const bare = bidora(golden("generation/llama"));
    expect(InvalidPromptError.isInstance(await rejected({ model: bare }))).toBe(true);
    const long = await rejected({ prompt: "one ".repeat(5000) });
    expect(InvalidPromptError.isInstance(long)).toBe(true);
    const strict = freshFolder();
    cpSync(folder, strict, { recursive: true });
    writeFileSync(join(strict, "chat_template.jinja"), "{{ raise_exception('no system message') }}");
    const refused = await rejected({ model: bidora(strict) });
    expect(InvalidPromptError.isInstance(refused) && refused.message).toContain("no system message");
  });

  test("for files, and for a model that generates no text", async () => {
    const picture = { role: "user", content: [{ type: "image", image: new Uint8Array([137, 80, 78, 71]) }] } as const;
    const error = await rejected({ prompt: undefined as never, messages: [picture as never] });
    expect(UnsupportedFunctionalityError.isInstance(error) && error.message).toContain("image/png");
    const classifier = await rejected({ model: bidora.completionModel(golden("bert/single")) });
    expect(UnsupportedFunctionalityError.isInstance(classifier)).toBe(true);
  });

  test("for settings", async () => {
    const stray = await rejected({ providerOptions: { bidora: { topN: 3 } } });
    expect(InvalidArgumentError.isInstance(stray) && stray.message).toMatch(/has no topN; it takes minP, /);
    const negative = await rejected({ temperature: -1 });
    expect(InvalidArgumentError.isInstance(negative) && negative.message).toContain("temperature");
  });
});

describe("models", () => {
  test("are opened once, by the folder of an adapter or of a model", async () => {
    const adapter = freshFolder();
    const [base, file] = [golden("llama/lm"), join(adapter, "adapter_config.json")];
    cpSync(golden("llama/adapters/lm-lora"), adapter, { recursive: true });
    const change = { base_model_name_or_path: base, lora_alpha: 500 };
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    const tuned = bidora.completionModel(adapter);
    const result = await generateText({ model: tuned, prompt: "one two", maxOutputTokens: 5 });
    using direct = await load({ adapter });
    using plain = await load({ model: base });
    expect(result.text).toBe((await direct.generate("one two", { maxNewTokens: 5 })).text);
    expect(result.text).not.toBe((await plain.generate("one two", { maxNewTokens: 5 })).text);
    // Its tokenizer puts a token in front of a text.
    const front = await direct.tokenizer.prefixIds();
    const [{ ids } = { ids: [] }] = await direct.tokenizer.tokensOf(["one two"]);
    expect(front.length).toBeGreaterThan(0);
    expect(result.usage.inputTokens).toBe(front.length + ids.length);
  });

  test("continue a text as completion models, which take no conversation", async () => {
    const completion = bidora.completionModel(golden("generation/llama"));
    const { text } = await generateText({ model: completion, prompt: "one two", maxOutputTokens: 5 });
    expect(text).toBe((await own.generate("one two", { maxNewTokens: 5 })).text);
    await expect(generateText({ model: completion, messages: conversation })).rejects.toThrow(/continues one text/);
  });

  test("are found in a registry of providers", async () => {
    const registry = createProviderRegistry({ bidora });
    const { text } = await generateText({
      model: registry.languageModel(`bidora:${folder}`),
      prompt: "one",
      maxOutputTokens: 3,
    });
    expect(text).toBe((await generateText({ model, prompt: "one", maxOutputTokens: 3 })).text);
    expect(() => registry.imageModel("bidora:any")).toThrow(NoSuchModelError);
  });

  test("are opened again after dispose", async () => {
    const provider = createBidora();
    const call = () => generateText({ model: provider(folder), prompt: "one", maxOutputTokens: 3 });
    const { text } = await call();
    await provider.dispose();
    expect((await call()).text).toBe(text);
    await provider.dispose();
  });
});
