import { availableParallelism } from "node:os";
import { UsageError } from "../common/errors.js";

/** More threads than processors only wait for each other; thousands of them never end. */
const MOST = Math.max(16, 4 * availableParallelism());

/** What libtorch and the libraries below it take their number of threads from. */
const VARIABLES = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/** What is wrong with a number of threads that `source` asks for; undefined when it can be had. */
export function threadsProblem(source: string, threads: number): UsageError | undefined {
  if (!(threads > MOST)) return undefined;
  return new UsageError(`${source}: expected at most ${MOST} threads on ${processors()}, got ${threads}.`);
}

function processors(): string {
  const count = availableParallelism();
  return count === 1 ? "1 processor" : `${count} processors`;
}

/** The first of the environment's numbers of threads that is too large. */
export function environmentThreadsProblem(): UsageError | undefined {
  return VARIABLES.map((name) => threadsProblem(name, given(name) ?? 0)).find((problem) => problem !== undefined);
}

/** How many threads libtorch starts with. */
export const initialThreads = (): number => given("OMP_NUM_THREADS") ?? availableParallelism();

/** OpenMP takes a list, of which the first number counts here. */
function given(name: string): number | undefined {
  const number = Number.parseInt(process.env[name] ?? "", 10);
  return number > 0 ? number : undefined;
}
