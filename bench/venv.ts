import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** What the peers are, in the versions that the figures are for. torch without CUDA where the index has it. */
const PACKAGES = ["torch==2.13.0", "transformers==5.24.0", "peft==0.21.2"];

export interface Peers {
  readonly python: string;
  /** Removes what was made for them. */
  dispose(): Promise<void>;
}

/** The Python of the environment that BENCH_VENV names, or of one that is made now and thrown away at the end. */
export async function peers(tell: (text: string) => void): Promise<Peers> {
  const given = process.env.BENCH_VENV;
  if (given) return { python: join(given, "bin", "python"), dispose: async () => {} };
  const folder = await mkdtemp(join(tmpdir(), "bidora-bench-venv-"));
  const python = join(folder, "bin", "python");
  const dispose = () => rm(folder, { recursive: true, force: true });
  try {
    tell(`Making a Python environment for the peers in ${folder} (BENCH_VENV names one to use instead)`);
    await execute("python3", ["-m", "venv", folder]);
    tell(`Installing ${PACKAGES.join(", ")}`);
    await execute(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...PACKAGES]);
    return { python, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
