import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** The peers, in the versions that were measured. */
const PACKAGES = [
  "torch==2.13.0",
  "transformers==5.24.0",
  "peft==0.21.2",
  "sentence-transformers==6.2.0",
  "bitsandbytes==0.50.2",
];

/** llama.cpp, built from source: a wheel's is for any processor. */
const LLAMA_CPP = "llama-cpp-python==0.3.36";

/** The Python executable of the environment in BENCH_VENV, or of a new one in `scratch`. */
export async function peers(scratch: string, tell: (text: string) => void): Promise<string> {
  const given = process.env.BENCH_VENV;
  if (given) return join(given, "bin", "python");
  const folder = join(scratch, "venv");
  const python = join(folder, "bin", "python");
  tell(`Making a Python environment for the peers in ${folder} (set BENCH_VENV to use an existing one)`);
  await execute("python3", ["-m", "venv", folder]);
  tell(`Installing ${PACKAGES.join(", ")}`);
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
  await execute(python, [...install, ...PACKAGES]);
  tell(`Building ${LLAMA_CPP} for this processor, which takes some minutes`);
  const env = { ...process.env, CMAKE_ARGS: "-DGGML_NATIVE=ON" };
  await execute(python, [...install, "--no-binary", "llama-cpp-python", LLAMA_CPP], { env });
  return python;
}
