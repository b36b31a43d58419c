/** The help texts that the build writes, so that printing one loads no command. */
import { readFileSync } from "node:fs";
import { COMMANDS } from "./commands.js";

const HELP: ReadonlySet<string> = new Set(["--help", "--help-all", "-h"]);

export const isHelp = (word: string): boolean => HELP.has(word);

/** The text of `bidora --help`. */
export function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(22)}${about}`);
  return [
    "Usage: bidora COMMAND [flags]",
    "Fine-tune Hugging Face models with LoRA, DoRA and BiDoRA on libtorch, without Python.",
    "",
    ...lines,
    "",
    "bidora COMMAND --help shows a command's options; bidora --version the version.",
  ].join("\n");
}

/** The texts of `--help` and `--help-all` by command, as `help.json` in `dist` has them. */
export type WrittenHelp = Readonly<Record<string, { readonly screen: string; readonly all: string }>>;

/** The help of a command; undefined where there is no bundle, as in tests, or a damaged one. @param word for which `isHelp` */
export function writtenHelp(file: URL, name: string, word: string): string | undefined {
  try {
    const help = (JSON.parse(readFileSync(file, "utf8")) as WrittenHelp)[name];
    return word === "--help-all" ? help?.all : help?.screen;
  } catch {
    return undefined;
  }
}
