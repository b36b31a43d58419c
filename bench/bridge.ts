// `npm run bench:bridge`: the bridge's overhead per call. Times the same small operators from TypeScript, including releasing the result, and from C++.
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { addonPath } from "../src/torch/engines/index.js";
import * as torch from "../src/torch/index.js";
import { machine } from "./machine.js";

const ROUNDS = 201;
const CALLS = 500;
const LIMIT_MICROS = 5;

function medianMicros(call: () => unknown): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    torch.scope(() => {
      for (let i = 0; i < CALLS; i++) call();
    });
    return ((performance.now() - start) * 1000) / CALLS;
  });
  return times.sort((a, b) => a - b)[ROUNDS >> 1] as number;
}

function inCpp(): number[] {
  const build = dirname(addonPath());
  execFileSync("cmake", ["--build", build, "--target", "bridge_loop"], { stdio: ["ignore", "ignore", "inherit"] });
  const lines = execFileSync(join(build, "bridge_loop"), [String(ROUNDS), String(CALLS)], { encoding: "utf8" });
  return lines.trim().split("\n").map(Number);
}

const x = torch.ones([4, 4]);
const bias = torch.select(x, 0, 0);
const tracked = torch.ones([4, 4]).setRequiresGrad(true);
const calls: Record<string, () => unknown> = {
  "add [4, 4]": () => torch.add(x, x),
  "linear [4, 4]": () => torch.linear(x, x, bias),
  "add [4, 4] with gradient": () => torch.add(tracked, tracked),
};

const { processor, cores, system, loadAverage } = machine([]);
const { torchVersion, threads } = torch.engineFacts();
console.log(`${processor}, ${cores} cores, load ${loadAverage}; ${system}, Node ${process.version}`);
console.log(`libtorch ${torchVersion}, ${threads} threads`);
Object.values(calls).forEach(medianMicros); // warms up
const own = Object.values(calls).map(medianMicros);
const theirs = inCpp();
let worst = 0;
Object.keys(calls).forEach((name, index) => {
  const [ours, plain] = [own[index] as number, theirs[index] as number];
  worst = Math.max(worst, ours - plain);
  console.log(
    `${name.padEnd(26)} TypeScript ${ours.toFixed(2)} µs   C++ ${plain.toFixed(2)} µs   bridge ${(ours - plain).toFixed(2)} µs`,
  );
});
console.log(`The bridge adds at most ${worst.toFixed(2)} µs per call (limit ${LIMIT_MICROS}).`);
process.exitCode = worst <= LIMIT_MICROS ? 0 : 1;
