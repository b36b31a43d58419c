import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GOLDEN } from "../../../test/support/golden.js";
import { freshPath } from "../../../test/support/workFolder.js";

// The AI SDK prints warnings otherwise.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false });

export const golden = (name: string): string => join(GOLDEN, name);

/** Writes the role and the text of every message, then the start of an answer. */
const TEMPLATE =
  "{% for message in messages %}{{ message.role }} {{ message.content }} {% endfor %}{% if add_generation_prompt %}one {% endif %}";

export function freshFolder(): string {
  const folder = freshPath("folder");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A small random model with a chat template. */
export function chatModel(): string {
  const folder = freshFolder();
  cpSync(golden("generation/llama"), folder, { recursive: true });
  writeFileSync(join(folder, "chat_template.jinja"), TEMPLATE);
  return folder;
}
