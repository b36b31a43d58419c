import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { BidoraError, UsageError } from "../../src/base/errors.js";
import { listenAt, requirePort } from "../../src/base/ports.js";

const host = "127.0.0.1";

const servers: Server[] = [];
function server(): Server {
  servers.push(createServer());
  return servers.at(-1)!;
}
afterEach(() => {
  for (const one of servers.splice(0)) one.close();
});

test("a port is at most 65535", () => {
  requirePort(65_535);
  expect(() => requirePort(65_536)).toThrow(new UsageError("--port takes a whole number of at most 65535; got 65536."));
});

test("a server listens at a free port, which is given back", async () => {
  const listening = server();
  const port = await listenAt(listening, { port: 0, host });
  expect(listening.address()).toMatchObject({ address: host, port });
  listening.close();
  await once(listening, "close");
  expect(await listenAt(server(), { port, host })).toBe(port);
});

test("a port in use, and a host that is not this machine's, are refused in a sentence", async () => {
  const port = await listenAt(server(), { port: 0, host });
  await expect(listenAt(server(), { port, host })).rejects.toMatchObject({
    code: "SERVE",
    message: `Port ${port} of 127.0.0.1 can't be used: the port is in use. Give another --port, or 0 for any free one.`,
    cause: { code: "EADDRINUSE" },
  });
  const elsewhere = listenAt(server(), { port, host: "192.0.2.1" }, (why) => new BidoraError("ELSEWHERE", why));
  await expect(elsewhere).rejects.toMatchObject({ code: "ELSEWHERE", message: "EADDRNOTAVAIL" });
});
