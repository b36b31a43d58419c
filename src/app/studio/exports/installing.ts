/** What the page in the browser needs besides the model: transformers.js, from npm's registry, on request. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { BidoraError, oneLine, shellLine } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { button, code, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { TRANSFORMERS } from "./webPage.js";

const WORK = "transformers.js";
/** Into the studio's folder, wherever that is. Nothing that packages bring is run. */
const WORDS = ["install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", TRANSFORMERS];

/** Offers to install it. @param id distinguishes it on the page */
export const installPart = ({ works }: Studio, id: string): Markup =>
  html`<p class="note">The page needs transformers.js, which is not installed. It comes from npm’s registry into the studio’s folder: about 480 MB.</p>${button("/take/install", "Install transformers.js", {}, `install-${id}`)}${workPart(WORK, works.get(WORK))}<details><summary>Command</summary>${code(shellLine(["npm", ...WORDS]), `install-command-${id}`)}</details>`;

/** Starts to install it. @throws BidoraError `STUDIO` while that goes on */
export function install({ works, folder }: Studio): undefined {
  void works.start(WORK, "Installing transformers.js", async ({ signal }) => {
    await promisify(execFile)("npm", WORDS, { cwd: folder.path, signal }).catch((cause) => {
      throw new BidoraError("STUDIO", why(cause), { cause });
    });
    return "The page opens now.";
  });
}

/** The last of npm's lines on an error that says something. */
function why({ code, stderr = "" }: { readonly code?: string | number; readonly stderr?: string }): string {
  if (code === "ENOENT") return "There is no npm on the PATH.";
  const lines = stderr.split("\n").filter((line) => /^npm error (?!A complete log|code )\S/.test(line));
  return oneLine(lines[0]?.slice("npm error ".length) ?? `npm ended with status ${code}.`);
}
