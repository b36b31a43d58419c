import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** What the peers are, in the versions that the figures are for. */
const PACKAGES = ["torch==2.13.0", "transformers==5.24.0", "peft==0.21.2"];

/** The Python of the environment that BENCH_VENV names, or of a new one in `scratch`. */
export async function peers(scratch: string, tell: (text: string) => void): Promise<string> {
  const given = process.env.BENCH_VENV;
  if (given) return join(given, "bin", "python");
  const folder = join(scratch, "venv");
  const python = join(folder, "bin", "python");
  tell(`Making a Python environment for the peers in ${folder} (BENCH_VENV names one to use instead)`);
  await execute("python3", ["-m", "venv", folder]);
  tell(`Installing ${PACKAGES.join(", ")}`);
  await execute(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
  return python;
}
