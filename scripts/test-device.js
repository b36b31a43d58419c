// `npm run test:device -- [--device D] [path …]`: tests that compare with other programs, on a card. The device is D, or else
// BIDORA_DEVICE, or else cuda. Ends with one sentence where it is not there.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

/** Tests whose models are on the device that test/support/device.ts names. */
const FOLDERS = ["test/parity/training.test.ts", "test/parity/bidora.test.ts", "test/parity/hypergradients.test.ts"];

const { values, positionals } = parseArgs({ options: { device: { type: "string" } }, allowPositionals: true });
const device = values.device ?? process.env.BIDORA_DEVICE ?? "cuda";

/** @returns {string | undefined} why there is no such device */
function whyNot() {
  const doctor = spawnSync(process.execPath, ["bin/bidora.js", "doctor", "--json"], { encoding: "utf8" });
  const { cuda, torchVersion, problems } = JSON.parse(doctor.stdout || "{}");
  if (torchVersion === undefined)
    return `libtorch could not be loaded (${problems?.join(" ") ?? doctor.stderr.trim()})`;
  if (!/^cuda(:\d+)?$/.test(device)) return undefined;
  if (!cuda) return `libtorch ${torchVersion} is built for the CPU alone: set LIBTORCH to a build for CUDA`;
  const needed = Number(device.split(":")[1] ?? 0) + 1;
  return cuda.devices < needed ? `libtorch ${torchVersion} finds ${cuda.devices} CUDA devices` : undefined;
}

const reason = whyNot();
if (reason === undefined) {
  const env = { ...process.env, BIDORA_DEVICE: device };
  const { status } = spawnSync("npx", ["vitest", "run", ...(positionals.length > 0 ? positionals : FOLDERS)], {
    env,
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  console.error(`test:device: ${device} is not there: ${reason}.`);
  process.exitCode = 1;
}
