import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const torch = fileURLToPath(new URL("../../build/js/torch/index.js", import.meta.url));

/** What every script begins with. */
const PRELUDE = `
import { setImmediate as turn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import * as torch from ${JSON.stringify(torch)};
const torchPath = ${JSON.stringify(torch)};
const report = (value) => console.log(JSON.stringify(value));
`;

/** In milliseconds; with a sanitizer everything takes several times as long. */
const TIMEOUT = process.env.BIDORA_SANITIZER ? 600_000 : 100_000;

/** Runs a script in a Node of its own and gives what it reported; throws when it did not end well. */
export function runChild(script: string, options: { readonly prelude?: boolean } = {}): unknown {
  const source = options.prelude === false ? script : PRELUDE + script;
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    ["--expose-gc", "--input-type=module", "-e", source],
    {
      encoding: "utf8",
      timeout: TIMEOUT,
    },
  );
  if (status !== 0) throw new Error(`The child ended with ${signal ?? status}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout);
}
