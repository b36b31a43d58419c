import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TYPEDOC = join(ROOT, "node_modules", ".bin", "typedoc");

/** Runs TypeDoc without writing a page. */
export function typedoc(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(TYPEDOC, ["--emit", "none", "--skipErrorChecking", ...words], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, said: stdout + stderr };
}
