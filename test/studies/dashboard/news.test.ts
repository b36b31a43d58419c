import { setTimeout as pause } from "node:timers/promises";
import { SSEStreamingApi } from "hono/streaming";
import { expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { Board } from "../../../src/studies/dashboard/board.js";
import { News } from "../../../src/studies/dashboard/news.js";
import { Pages } from "../../../src/studies/dashboard/pages.js";

const time = "2026-01-01T00:00:00Z";
const start = { event: "start", time, steps: { train: 100 } } as unknown as RunEvent;
const step = (count: number): RunEvent => ({
  ...{ event: "step", time, phase: "train", step: count, loss: 0.25, learningRate: 1, seconds: 1, rows: 1, tokens: 1 },
});

/** A browser that is told of a run. @param interval milliseconds between two updates */
async function follow(interval: number) {
  const board = new Board();
  board.add([""], "waiting");
  board.event("", start);
  const pages = new Pages({ board, draw: async () => "", stop() {}, checkpoint() {} }, []);
  const shown = pages.at("/")!;
  await shown.page.html();
  const news = new News(pages, interval);
  board.onChange(() => news.changed());
  const { readable, writable } = new TransformStream();
  const stream = new SSEStreamingApi(writable, readable);
  const told = news.tell(stream, shown).then(() => stream.close());
  const reader = stream.responseReadable.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  return { board, news, told, read, leave: () => reader.cancel() };
}

/** What never comes fails soon. */
const SOON = { timeout: 10_000 };

test("an idle connection gets heartbeats", SOON, async () => {
  const { read, leave } = await follow(1);
  expect(await read()).toMatch(/^event: status\n/);
  for (let i = 0; i < 3; i++) expect(await read()).toBe(":\n\n");
  await leave();
});

test("a browser that does not read is told the newest state once it does, and few of those before", async () => {
  const { board, read, leave } = await follow(1);
  for (let count = 1; count <= 50; count++) {
    board.event("", step(count));
    await pause(2);
  }
  let reads = 1;
  while (!(await read()).includes("step 50 of 100")) reads++;
  expect(reads).toBeLessThan(5);
  await leave();
});

test("a browser that leaves is forgotten at once, whether it has read or not", async () => {
  const { board, news, told, leave } = await follow(20);
  for (let count = 1; count <= 5; count++) {
    board.event("", step(count));
    await pause(30);
  }
  expect(news.hasReaders).toBe(true);
  await leave();
  expect(news.hasReaders).toBe(false);
  await told;
});

test("the end is told at once, after the last state", SOON, async () => {
  const { board, news, read, told } = await follow(60_000);
  expect(await read()).toContain("Running");
  board.ended("", "stopped");
  news.end();
  expect(await read()).toContain("Stopped");
  expect(await read()).toMatch(/^event: end\ndata: The command has ended/);
  expect(await read()).toBe("");
  await told;
  expect(news.hasReaders).toBe(false);
});
