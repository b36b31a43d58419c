import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { RunEvent } from "../../../src/base/records/events.js";
import { Board } from "../../../src/studies/dashboard/board.js";
import { type Dashboard, DashboardServer } from "../../../src/studies/dashboard/server.js";
import { renderWaiting } from "../../../src/studies/report/renderReport.js";

const time = "2026-01-01T00:00:00Z";
const start = { event: "start", time, steps: { train: 10 } } as unknown as RunEvent;
const step: RunEvent = {
  ...{ event: "step", time, phase: "train", step: 3, loss: 0.25, learningRate: 1, seconds: 1, rows: 1, tokens: 1 },
};

let dashboard: Dashboard | undefined;
afterEach(() => dashboard?.close());

/** A page of some runs, with what was asked of them from it. */
async function serve(names: readonly string[]) {
  const board = new Board();
  board.add(names, "waiting");
  const asked: string[] = [];
  dashboard = await new DashboardServer({
    board,
    draw: async (run, live) => renderWaiting(`<${run ?? "all"}>`, live),
    stop: (run) => void asked.push(`stop ${run ?? "all"}`),
    checkpoint: (run) => void asked.push(`checkpoint ${run}`),
  }).listen(0);
  return { board, asked, url: dashboard.url, port: Number(new URL(dashboard.url).port) };
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A request with any headers, as a page of another site or another program would make it. */
const ask = (port: number, path: string, method = "GET", headers: Record<string, string> = {}): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode, text, headers: answer.headers }));
    });
    sent.on("error", reject).end();
  });

/** Server-sent events until one of a kind has come. */
async function newsUntil(url: string, kind: string): Promise<string> {
  const reader = (await fetch(url)).body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    text += value ?? "";
    if (done || text.includes(`event: ${kind}\n`)) break;
  }
  await reader.cancel();
  return text;
}

describe("which requests are answered", () => {
  test("a browser on this machine is answered", async () => {
    const { port, url } = await serve([""]);
    const { status, headers, text } = await ask(port, "/");
    expect(status).toBe(200);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(text).toContain("&lt;&gt;");
    expect((await fetch(url.replace("127.0.0.1", "localhost"))).status).toBe(200);
  });

  test.each([{ host: "evil.example:PORT" }, { host: "127.0.0.1" }, { host: "127.0.0.1:1" }])(
    "no page under another name: %o",
    async ({ host }) => {
      const { port } = await serve([""]);
      for (const path of ["/", "/events", "/live.js"])
        expect((await ask(port, path, "GET", { host: host.replace("PORT", String(port)) })).status).toBe(403);
    },
  );

  test.each(["http://evil.example", "null", "https://127.0.0.1:PORT", "http://127.0.0.1:1", undefined])(
    "nobody who comes from %s stops anything",
    async (from) => {
      const { port, asked, board } = await serve([""]);
      board.event("", start);
      const origin = from?.replace("PORT", String(port));
      const { status } = await ask(port, "/stop", "POST", origin === undefined ? {} : { origin });
      expect([status, asked]).toEqual([403, []]);
      if (origin !== undefined) expect((await ask(port, "/", "GET", { origin })).status).toBe(403);
    },
  );

  test("unknown paths and methods are refused", async () => {
    const { port } = await serve(["a/b"]);
    for (const path of [
      "/runs/a",
      "/runs/../../etc/passwd",
      "/runs/a/b/c",
      "/%E0%A4%A",
      "/constructor",
      "/events/runs/x",
    ])
      expect((await ask(port, path)).status).toBe(404);
    for (const method of ["PUT", "HEAD"])
      for (const path of ["/", "/events"]) expect((await ask(port, path, method)).status).toBe(405);
  });

  test("a port in use gives a one-sentence error", async () => {
    const { port } = await serve([""]);
    const second = new DashboardServer({ board: new Board(), draw: async () => "", stop() {}, checkpoint() {} }).listen(
      port,
    );
    await expect(second).rejects.toThrow(`--dashboard=${port} can't be served: the port is in use.`);
  });
});

describe("controls", () => {
  const post = (port: number, path: string) => ask(port, path, "POST", { origin: `http://127.0.0.1:${port}` });

  test("a running run is stopped once, and saves on request", async () => {
    const { port, asked, board } = await serve([""]);
    await post(port, "/stop");
    expect(asked).toEqual([]);
    board.event("", start);
    board.event("", step);
    expect((await post(port, "/checkpoint")).status).toBe(303);
    await post(port, "/stop");
    await post(port, "/stop");
    expect(asked).toEqual(["checkpoint ", "stop "]);
  });

  test("one run or all runs can be stopped", async () => {
    const { port, asked, board } = await serve(["a/seed-0", "a/x=1,y é", "b"]);
    for (const name of ["a/seed-0", "a/x=1,y é"]) board.event(name, start);
    const page = (await ask(port, "/")).text;
    expect(page).toContain('action="/runs/a/x%3D1%2Cy%20%C3%A9/stop"');
    await post(port, "/runs/a/x%3D1%2Cy%20%C3%A9/stop");
    await post(port, "/runs/a/seed-0/checkpoint");
    await post(port, "/stop");
    expect(asked).toEqual(["stop a/x=1,y é", "checkpoint a/seed-0", "stop all"]);
    expect(board.runs.map(({ state }) => state)).toEqual(["stopping", "stopping", "waiting"]);
  });
});

describe("news", () => {
  const millisecondsOf = async (work: () => Promise<void>): Promise<number> => {
    const began = performance.now();
    await work();
    return performance.now() - began;
  };

  test("events report the progress and new pages", async () => {
    const { url, board } = await serve([""]);
    const news = newsUntil(`${url}events`, "page");
    await fetch(url);
    board.event("", start);
    board.event("", step);
    board.event("", { event: "error", time, code: "X", message: "<b>" });
    const text = await news;
    expect(text).toContain("event: status\ndata: <section");
    // Whatever the figures' age, a page says how far its run is now.
    expect(await (await fetch(url)).text()).toContain("step 3 of 10");
  });

  test("they are neither cached nor taken for anything else", async () => {
    const { url } = await serve([""]);
    const leaving = new AbortController();
    const { headers } = await fetch(`${url}events`, { signal: leaving.signal });
    expect(headers.get("content-type")).toBe("text/event-stream");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    leaving.abort();
    await pause(100);
  });

  test("each page gets the events of its own run, escaped", async () => {
    const { url, board } = await serve(["<a>", "b"]);
    board.event("<a>", start);
    const ofRun = await newsUntil(`${url}events/runs/b`, "status");
    expect(ofRun).toContain("Waiting");
    expect(ofRun).not.toContain("&lt;a&gt;");
    const ofAll = await newsUntil(`${url}events`, "status");
    expect(ofAll).toContain("0 of 2 runs");
    expect(ofAll).toContain("&lt;a&gt;");
    expect(ofAll).not.toContain("<a>");
  });

  test("the last event has the final state, and then connections close", async () => {
    const { url, board } = await serve([""]);
    board.event("", start);
    const news = newsUntil(`${url}events`, "end");
    await pause(100);
    board.ended("", "failed", "It <broke>.");
    await dashboard?.close();
    const text = await news;
    expect(text).toContain("It &lt;broke&gt;.");
    expect(text.indexOf("Failed")).toBeLessThan(text.indexOf("event: end"));
    await expect(fetch(url)).rejects.toThrow();
  });

  test("the end does not wait for a browser that has left", async () => {
    const { url } = await serve([""]);
    const leaving = new AbortController();
    await fetch(`${url}events`, { signal: leaving.signal });
    leaving.abort();
    await pause(100);
    expect(await millisecondsOf(() => dashboard!.close())).toBeLessThan(1000);
  });

  test("a browser that does not read is cut off two seconds after the end", async () => {
    const { board, port } = await serve([""]);
    const moreThanSocketsHold = 20_000_000;
    board.ended("", "failed", "-".repeat(moreThanSocketsHold));
    const stalled = connect(port, "127.0.0.1").on("error", () => {});
    stalled.write(`GET /events HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
    await once(stalled, "readable");
    expect(await millisecondsOf(() => dashboard!.close())).toBeLessThan(3000);
    const closed = once(stalled, "close");
    stalled.resume();
    await closed;
    expect(stalled.bytesRead).toBeLessThan(moreThanSocketsHold);
  });
});
