// A client does its worst while /health is asked again and again: it is answered all the time, and the server goes on.
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { roomy } from "./jsonModels.js";
import { openServer, post } from "./openServer.js";

let url = "";
beforeAll(async () => {
  ({ url } = await openServer({ model: roomy() }));
});

const TEXT = { model: "roomy", prompt: "a", max_tokens: 4 };
const formatOf = (schema: object) => ({
  ...TEXT,
  response_format: { type: "json_schema", json_schema: { name: "a", schema } },
});

/** Bodies, each with the status of its answer. */
const BODIES: readonly (readonly [string, string, number])[] = [
  ["a constant of 40 000 characters", JSON.stringify(formatOf({ const: "a".repeat(40_000) })), 200],
  ["a constant of a megabyte", JSON.stringify(formatOf({ const: "a".repeat(1e6) })), 400],
  ["100 000 strings", JSON.stringify(formatOf({ enum: Array.from({ length: 1e5 }, (_, i) => `s${i}`) })), 400],
  [
    "a schema of 5000 levels",
    JSON.stringify(formatOf({ a: 0 })).replace('{"a":0}', '{"items":'.repeat(5000) + "{}".padEnd(5002, "}")),
    400,
  ],
  ["a stop string of 4 MB", JSON.stringify({ ...TEXT, stop: "a".repeat(4e6) }), 400],
  ["a stop string of 16 MB", JSON.stringify({ ...TEXT, stop: "a".repeat(16e6) }), 413],
  ["a million stop strings", JSON.stringify({ ...TEXT, stop: Array(1e6).fill("a") }), 400],
  ["a prompt of 4 MB", JSON.stringify({ ...TEXT, prompt: "hello world ".repeat(350_000) }), 400],
  ["a prompt of one long word", JSON.stringify({ ...TEXT, prompt: "x".repeat(65_000) }), 400],
  ["a million token ids", JSON.stringify({ ...TEXT, prompt: Array(1e6).fill(5) }), 400],
  ["millions of objects", `{"model":"roomy","prompt":[${"{},".repeat(2.5e6)}1]}`, 400],
  ["lists within lists", `{"model":"roomy","prompt":${"[".repeat(4e6)}${"]".repeat(4e6)}}`, 400],
  [
    "half a million tokens with 20 log-probabilities each",
    JSON.stringify({ ...TEXT, prompt: Array(500).fill("aé".repeat(500)), echo: true, logprobs: 20, max_tokens: 0 }),
    400,
  ],
  ["100 000 messages", `{"model":"roomy","messages":[${'{"role":"user","content":""},'.repeat(1e5)}{}]}`, 400],
];

describe("/health is answered while a client sends", () => {
  let slowest = 0;
  let isOver = false;
  let polling: Promise<void> | undefined;
  beforeAll(() => {
    polling = (async () => {
      while (!isOver) {
        const start = performance.now();
        expect((await fetch(`${url}/health`)).status).toBe(200);
        slowest = Math.max(slowest, performance.now() - start);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
  });
  afterAll(async () => {
    isOver = true;
    await polling;
  });

  test.each(BODIES)("%s", async (_, body, status) => {
    slowest = 0;
    const route = body.includes('"messages"') ? "chat/completions" : "completions";
    expect((await post(`${url}/v1/${route}`, body)).status).toBe(status);
    // The sender shares this process and its processor: alone it is below 100 milliseconds.
    expect(slowest).toBeLessThan(5000);
  });

  test("30 slow schemas, and leaves", async () => {
    slowest = 0;
    const leaving = new AbortController();
    const lists = (i: number) =>
      Array.from({ length: 25 }, (_, k) => ({ type: "array", minItems: 1000 - k, items: { const: i } }));
    const sent = Array.from({ length: 30 }, (_, i) => {
      const body = JSON.stringify(formatOf({ anyOf: lists(i) }));
      return fetch(`${url}/v1/completions`, { method: "POST", body, signal: leaving.signal }).catch(() => {});
    });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    leaving.abort();
    await Promise.all(sent);
    expect((await post(`${url}/v1/completions`, formatOf({ type: "boolean" }))).status).toBe(200);
    expect(slowest).toBeLessThan(5000);
  });
});

/** A request whose body never ends. */
function slow(length: string): Promise<Socket> {
  const { port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(`POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${length}\r\n\r\n1\r\n{\r\n`, () =>
        resolve(socket),
      );
    });
  });
}

test("who sends a large body slowly takes no room from others, and bodies of unknown length are taken", async () => {
  const lengths = ["Content-Length: 8388608", "Transfer-Encoding: chunked"];
  const senders = await Promise.all(lengths.flatMap((length) => Array.from({ length: 9 }, () => slow(length))));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await post(`${url}/v1/completions`, { ...TEXT, user: "a".repeat(20_000) })).status).toBe(200);
  for (const sender of senders) sender.destroy();
  const chunked = (body: string) =>
    fetch(`${url}/v1/completions`, { method: "POST", body: new Blob([body]).stream(), duplex: "half" } as RequestInit);
  const texts = Array.from({ length: 20 }, (_, i) => JSON.stringify({ ...TEXT, user: "a".repeat(2000 * i) }));
  const answers = await Promise.all([...texts, "a".repeat(9e6)].map(chunked));
  expect(answers.map(({ status }) => status)).toEqual([...texts.map(() => 200), 413]);
});
