import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freshPath } from "../../support/workFolder.js";

export interface Story {
  readonly topics?: "YES" | "NO" | "BYPASS";
  readonly lewis?: "TRAIN" | "TEST" | "NOT-USED";
  readonly cgi?: "TRAINING-SET" | "PUBLISHED-TESTSET";
  readonly names?: readonly string[];
  /** What stands from `<TEXT` to `</TEXT>`. */
  readonly text?: string;
}

export const normText = (title: string, body: string): string =>
  `<TEXT>&#2;\n<TITLE>${title}</TITLE>\n<DATELINE>    NEW YORK, Feb 26 - </DATELINE><BODY>${body}\n Reuter\n&#3;</BODY></TEXT>`;

/** A story as the collection's files have it. */
export function storySgml({ topics = "YES", lewis = "TRAIN", cgi = "TRAINING-SET", names = [], text }: Story): string {
  const list = names.map((name) => `<D>${name}</D>`).join("");
  return [
    `<REUTERS TOPICS="${topics}" LEWISSPLIT="${lewis}" CGISPLIT="${cgi}" CSECS="x" OLDID="1" NEWID="2">`,
    "<DATE>26-FEB-1987 15:01:01.79</DATE>",
    `<TOPICS>${list}</TOPICS>`,
    "<PLACES><D>usa</D></PLACES>\n<PEOPLE></PEOPLE>\n<ORGS></ORGS>\n<EXCHANGES></EXCHANGES>\n<COMPANIES></COMPANIES>",
    "<UNKNOWN> \n&#5;&#5;&#5;C T\n&#22;&#22;&#1;f0704&#31;reute</UNKNOWN>",
    text ?? normText("A TITLE", "A body."),
    "</REUTERS>\n",
  ].join("\n");
}

/** A folder of the collection's 22 files with the stories in the first ones, a file each, and one unused story in the others. */
export function reutersFolder(...stories: readonly Story[]): string {
  const folder = freshPath("reuters");
  mkdirSync(folder);
  for (let i = 0; i < 22; i++) {
    const own = stories.length > i ? [stories[i] as Story] : [];
    const rest = i === 21 ? stories.slice(22) : [];
    const unused: Story = { topics: "BYPASS", lewis: "TRAIN", names: ["never"] };
    const sgml = [...own, ...rest, ...(own.length ? [] : [unused])].map(storySgml).join("");
    writeFileSync(
      join(folder, `reut2-${String(i).padStart(3, "0")}.sgm`),
      Buffer.from(`<!DOCTYPE lewis SYSTEM "lewis.dtd">\n${sgml}`, "latin1"),
    );
  }
  return folder;
}
