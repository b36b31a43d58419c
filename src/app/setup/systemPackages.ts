// What has to be installed before an addon can be built: a compiler, CMake, libtorch with a fast BLAS.
import { BidoraError } from "../../base/index.js";
import type { System } from "./system.js";

/** Programs that the build needs; the names of their Debian packages are the same. */
const TOOLS = ["g++", "cmake", "make"];

/** Programs that the checks of a clone need, too. */
const DEVELOPER_TOOLS = ["clang-format-19", "clang-tidy-19", "parallel"];

/** libtorch-dev alone installs the reference BLAS, which is a hundred times slower than OpenBLAS. */
const LIBTORCH = ["libtorch-dev", "libopenblas0-openmp"];

/** What a set-up needs from the system. */
export interface Need {
  /** Whether libtorch comes from the system. */
  readonly libtorch: boolean;
  /** Whether the checks of a clone are to be run. */
  readonly develop: boolean;
}

/** The Debian packages that are missing. A compiler in CXX replaces g++. */
export function missingPackages(system: System, { libtorch, develop }: Need): string[] {
  const tools = [...TOOLS.filter((tool) => tool !== "g++" || !process.env.CXX), ...(develop ? DEVELOPER_TOOLS : [])];
  const packages = libtorch ? LIBTORCH : [];
  return [...tools.filter((tool) => !system.has(tool)), ...packages.filter((name) => !system.hasPackage(name))];
}

/** The commands that an administrator runs to install packages. */
const byHand = (packages: readonly string[]): string =>
  `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages.join(" ")}`;

/**
 * Installs Debian packages: as root and in CI without asking, else through sudo with the user's consent.
 * @param yes whether the user has consented already
 * @throws BidoraError `SETUP` if they can't be installed; it says which commands install them
 */
export async function installPackages(system: System, packages: readonly string[], yes: boolean): Promise<void> {
  if (!system.has("apt-get")) {
    throw refusal(
      `${packages.join(" ")} ${packages.length === 1 ? "is" : "are"} missing, and this system has no apt-get: install them with its package manager, and set LIBTORCH to a folder with libtorch.`,
    );
  }
  const isAllowed = system.isRoot || (system.has("sudo") && (await consents(system, packages, yes)));
  if (!isAllowed)
    throw refusal(`System packages are missing; an administrator installs them with: ${byHand(packages)}`);
  const [program, ...words] = aptGet(system);
  if ((await system.run(program, [...words, "update", "-q"])) !== 0) {
    throw refusal(`apt-get update failed; an administrator installs what is missing with: ${byHand(packages)}`);
  }
  const install = ["install", "-y", "-q", "--no-install-recommends", ...packages];
  if ((await system.run(program, [...words, ...install])) !== 0) {
    throw refusal(`apt-get could not install ${packages.join(" ")}; its messages are above.`);
  }
}

/** Without a terminal nobody can enter sudo's password. */
function aptGet({ isRoot, isTerminal }: System): [string, ...string[]] {
  const apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
  if (isRoot) return apt as [string, ...string[]];
  return ["sudo", ...(isTerminal ? [] : ["-n"]), ...apt];
}

/** npm passes `npm start --yes` in a variable. */
async function consents(system: System, packages: readonly string[], yes: boolean): Promise<boolean> {
  if (yes || process.env.npm_config_yes === "true" || process.env.CI === "true") return true;
  if (!system.isTerminal) return false;
  const answer = await system.ask(`Install these Debian packages with sudo: ${packages.join(" ")}? [y/N] `);
  return /^y/i.test(answer);
}

const refusal = (message: string): BidoraError => new BidoraError("SETUP", message);
