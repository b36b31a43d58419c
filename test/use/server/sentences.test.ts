// Refusals of requests say in one sentence which parameter is wrong, what it takes and what it got.
import { cpSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GOLDEN } from "../../support/golden.js";
import { openServer, post, withTemplate } from "./openServer.js";

test("a message of a role that the chat template ignores is refused", async () => {
  const model = withTemplate(undefined, "quiet");
  cpSync(join(GOLDEN, "chat/templates/phi3.jinja"), join(model, "chat_template.jinja"));
  const { url } = await openServer({ model });
  const ask = (role: string) => {
    const messages = [
      { role, content: "Be kind." },
      { role: "user", content: "hi" },
    ];
    return post(`${url}/v1/chat/completions`, { model: "quiet", messages, max_tokens: 1 });
  };
  const { status, json } = await ask("developer");
  expect([status, json.error?.message]).toEqual([
    400,
    "messages: the chat template cannot render the conversation: it ignores messages of the role developer: the text is the same with and without them. Use the role system.",
  ]);
  expect((await ask("system")).status).toBe(200);
});

describe("a request is refused with a sentence", async () => {
  const { url } = await openServer({ model: withTemplate() });
  const message = { role: "user", content: "hi" };
  const CHAT = { model: "chatty", messages: [message] };
  const TEXT = { model: "chatty", prompt: "hi" };
  const refusalOf = async (route: string, body: unknown) =>
    (await post(`${url}/v1/${route}`, body)).json.error?.message;

  test.each<[object, string]>([
    [{ model: undefined }, "model is missing: it takes a string."],
    [{ model: 5 }, "model takes a string; got 5."],
    [{ prompt: undefined }, "prompt is missing: it takes a string or token ids, or a list of either."],
    [{ prompt: ["a", 5] }, 'prompt takes a string or token ids, or a list of either; got ["a",5].'],
    [{ prompt: "\ud83d" }, "prompt has half of a surrogate pair, which is no character: send whole characters."],
    [{ temperature: "1" }, 'temperature takes a number; got "1".'],
    [{ temperature: -1 }, "temperature takes a number of at least 0; got -1."],
    [{ repetition_penalty: 0 }, "repetition_penalty takes a number of more than 0; got 0."],
    [{ top_p: 1.5 }, "top_p takes a number of at most 1; got 1.5."],
    [{ top_k: 1.5 }, "top_k takes a whole number; got 1.5."],
    [{ n: 129 }, "n takes a number of at most 128; got 129."],
    [{ seed: 2 ** 53 }, "seed takes a whole number of at most 9007199254740991; got 9007199254740992."],
    [{ stop: "" }, 'stop takes a string of 1 to 512 characters, or a list of at most 4 of them; got "".'],
    [{ stop: ["a", "b", "c", "d", "e"] }, "stop has 5 entries, and the most is 4: send fewer."],
    [{ prompt: Array(3000).fill("a") }, "prompt has 3000 entries, and the most is 2048: send fewer."],
    [{ stream: "yes" }, 'stream takes true or false; got "yes".'],
    [{ stream_options: [] }, "stream_options takes an object; got []."],
    [{ stream: true, stream_options: { a: 1 } }, "stream_options.a is not served: leave it out."],
    [{ logprobs: 21 }, "logprobs takes a number of at most 20; got 21."],
    [{ response_format: "json" }, 'response_format takes an object; got "json".'],
    [
      { response_format: { type: "xml" } },
      'response_format.type takes "text", "json_object" or "json_schema"; got "xml".',
    ],
    [{ response_format: { type: "json_schema" } }, "response_format.json_schema is missing: it takes an object."],
    [{ suffix: 5 }, "suffix is not served: leave it out."],
  ])("completions: %j", async (more, sentence) => {
    expect(await refusalOf("completions", { ...TEXT, ...more })).toBe(sentence);
  });

  test.each<[object, string]>([
    [{ messages: [] }, "messages takes a list of at least 1 entry; got []."],
    [{ messages: "hi" }, 'messages takes a list; got "hi".'],
    [{ messages: ["hi"] }, 'messages.0 takes an object; got "hi".'],
    [
      { messages: [{ role: "user" }] },
      "messages.0.content is missing: it takes a string, or a list of parts of type text.",
    ],
    [
      { messages: [{ ...message, content: [{ type: "image_url" }] }] },
      'messages.0.content takes a string, or a list of parts of type text; got [{"type":"image_url"}].',
    ],
    [
      { messages: [{ ...message, audio: [] }] },
      "messages.0.audio takes a string, true or false, as a field of a message besides role and content; got [].",
    ],
    [{ messages: [{ ...message, tool_calls: [] }] }, "messages.0.tool_calls takes a list of at least 1 entry; got []."],
    [{ top_logprobs: 2 }, "top_logprobs is for logprobs: true: leave it out."],
  ])("conversations: %j", async (more, sentence) => {
    expect(await refusalOf("chat/completions", { ...CHAT, ...more })).toBe(sentence);
  });

  test("bodies that are no object, or have a key twice", async () => {
    expect(await refusalOf("completions", "[]")).toBe("The body must be a JSON object; got [].");
    expect(await refusalOf("completions", "{")).toBe("The body must be JSON in UTF-8.");
    const twice = '{"model":"chatty","prompt":"hi","max_tokens":1,"max_tokens":2}';
    expect(await refusalOf("completions", twice)).toBe('The body has "max_tokens" twice in one object: send it once.');
    const huge = '{"model":"chatty","prompt":"hi","temperature":1e999}';
    expect(await refusalOf("completions", huge)).toBe("temperature takes a number; got Infinity.");
    expect(await refusalOf("completions", "[".repeat(1e5))).toBe("The body must be JSON in UTF-8.");
    expect(await refusalOf("completions", "[".repeat(1e6))).toMatch("The body has more values than the server takes");
    const nested = `{"model":${"[".repeat(1e5)}${"]".repeat(1e5)}}`;
    expect(await refusalOf("completions", nested)).toBe("model takes a string; got a list of 1.");
  });

  test("whatever is sent, in plain English", async () => {
    const keys = [
      "model",
      "prompt",
      "messages",
      "n",
      "stop",
      "stream",
      "stream_options",
      "seed",
      "temperature",
      "top_p",
    ];
    const more = [
      "top_k",
      "max_tokens",
      "logprobs",
      "top_logprobs",
      "echo",
      "response_format",
      "input",
      "encoding_format",
    ];
    const route = fc.constantFrom("completions", "chat/completions", "embeddings");
    const wrong = fc.dictionary(fc.constantFrom(...keys, ...more), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 2 });
    await fc.assert(
      fc.asyncProperty(route, wrong, async (path, own) => {
        const base = path === "completions" ? TEXT : path === "embeddings" ? { model: "chatty", input: "a" } : CHAT;
        const sentence = await refusalOf(path, { ...base, max_tokens: 1, ...own });
        if (sentence === undefined) return;
        expect(sentence).toMatch(/^[A-Za-z_]+.*\.$/s);
        expect(sentence).not.toMatch(
          /Invalid|received|undefined|Too (small|big)|expected (string|number|array|object)/,
        );
      }),
      { numRuns: 200, examples: [["completions", { stream: true }]] },
    );
  });
});
