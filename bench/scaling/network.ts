// A network of machines on this one: namespaces that a bridge connects, each of which can send at a rate.
import { execFileSync } from "node:child_process";

const BRIDGE = "bidora-bridge";

/** A machine of the network. */
export const namespaceOf = (rank: number) => ({
  name: `bidora-${rank}`,
  device: `bidora-d${rank}`,
  address: `10.233.7.${rank + 1}`,
});

const ip = (...words: readonly string[]) => void execFileSync("ip", words, { stdio: "pipe" });

/** Makes the network while `body` runs, in place of one that a killed process left. @param bandwidth bytes per second that each machine can send */
export async function inNetwork<T>(machines: number, bandwidth: number, body: () => Promise<T>): Promise<T> {
  remove();
  const end = () => process.exit(130);
  process.once("exit", remove);
  for (const signal of SIGNALS) process.once(signal, end);
  try {
    ip("link", "add", BRIDGE, "type", "bridge");
    ip("link", "set", BRIDGE, "up");
    for (let rank = 0; rank < machines; rank++) connect(rank, bandwidth);
    return await body();
  } finally {
    for (const signal of SIGNALS) process.off(signal, end);
    process.off("exit", remove);
    remove();
  }
}

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const MOST_MACHINES = 8;

function remove(): void {
  for (let rank = 0; rank < MOST_MACHINES; rank++) quietly("netns", "del", namespaceOf(rank).name);
  quietly("link", "del", BRIDGE);
}

function connect(rank: number, bandwidth: number): void {
  const { name, device, address } = namespaceOf(rank);
  const outside = `bidora-o${rank}`;
  ip("netns", "add", name);
  ip("link", "add", device, "type", "veth", "peer", "name", outside);
  ip("link", "set", outside, "master", BRIDGE, "up");
  ip("link", "set", device, "netns", name);
  const inside = (...words: readonly string[]) => ip("netns", "exec", name, ...words);
  inside("ip", "addr", "add", `${address}/24`, "dev", device);
  inside("ip", "link", "set", device, "up");
  inside("ip", "link", "set", "lo", "up");
  if (bandwidth === Number.POSITIVE_INFINITY) return;
  const limit = ["rate", `${Math.round(bandwidth * 8)}bit`, "burst", "64kb", "latency", "50ms"];
  inside("tc", "qdisc", "add", "dev", device, "root", "tbf", ...limit);
}

function quietly(...words: readonly string[]): void {
  try {
    ip(...words);
  } catch {
    // it was not made
  }
}
