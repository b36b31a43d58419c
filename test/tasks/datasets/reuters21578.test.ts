import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { namedDatasets } from "../../../src/tasks/datasets/index.js";
import { normText, reutersFolder, type Story, storySgml } from "./reutersFolder.js";

const rows = async (folder: string, by: "modapte" | "modhayes" | "modlewis", split: "train" | "test") => {
  const { examples, labelNames } = await namedDatasets[`reuters21578/${by}`].load(folder, split);
  return {
    texts: examples.map(({ input }) => (input as [string])[0]),
    labels: examples.map(({ label }) => label),
    labelNames,
  };
};
const named = (title: string, story: Story): Story => ({ ...story, text: normText(title, "body") });
const titles = (texts: readonly string[]) => texts.map((text) => text.split("\n")[0]);

describe("Reuters-21578", () => {
  const folder = reutersFolder(
    named("A", { topics: "YES", lewis: "TRAIN", names: ["grain", "corn"] }),
    named("B", { topics: "NO", lewis: "TRAIN" }),
    named("C", { topics: "BYPASS", lewis: "TRAIN" }),
    named("D", { topics: "YES", lewis: "TEST", names: ["corn"] }),
    named("E", { topics: "NO", lewis: "TEST", names: ["corn"] }),
    named("F", { topics: "YES", lewis: "NOT-USED", cgi: "PUBLISHED-TESTSET", names: ["corn", "gold"] }),
    named("G", { topics: "NO", lewis: "NOT-USED", cgi: "PUBLISHED-TESTSET" }),
  );

  it.each([
    ["modapte", ["A"], ["D"]],
    ["modlewis", ["A", "B"], ["D", "E"]],
  ] as const)("%s is split by LEWISSPLIT and TOPICS", async (by, train, test) => {
    expect(titles((await rows(folder, by, "train")).texts)).toEqual(train);
    expect(titles((await rows(folder, by, "test")).texts)).toEqual(test);
  });

  it("modhayes is split by CGISPLIT", async () => {
    const train = titles((await rows(folder, "modhayes", "train")).texts);
    expect(train.slice(0, 5)).toEqual(["A", "B", "C", "D", "E"]);
    expect(train.length).toBe(5 + 15);
    expect(titles((await rows(folder, "modhayes", "test")).texts)).toEqual(["F", "G"]);
  });

  it("labels are the topics of training stories, in test rows too", async () => {
    const set = reutersFolder(
      { names: ["zinc", "Öl", "zinc"] },
      { names: [] },
      { lewis: "TEST", names: ["sfr", "zinc"] },
      { lewis: "TEST", names: ["sfr"] },
    );
    const train = await rows(set, "modapte", "train");
    expect(train).toMatchObject({ labels: [["zinc", "Öl"], []], labelNames: ["zinc", "Öl"] });
    expect(await rows(set, "modapte", "test")).toMatchObject({ labels: [["zinc"], []], labelNames: ["zinc", "Öl"] });
  });
});

describe("a story's text", () => {
  const textOf = async (text: string) => (await rows(reutersFolder({ text }), "modapte", "train")).texts[0];

  it("a story's text is title and body without control characters", async () => {
    expect(await textOf(normText("OIL &lt;XON> UP", "Growth.\xFC&#5;&#30;side 3 &amp; 4.\n    More&#127;."))).toBe(
      "OIL <XON> UP\nGrowth.üside 3 & 4.\n    More.\n Reuter",
    );
  });

  it("a brief story's text is its title, an unprocessed one's is everything", async () => {
    expect(await textOf('<TEXT TYPE="BRIEF">&#2;\n<TITLE>GOLD UP\n AGAIN</TITLE>\n</TEXT>')).toBe("GOLD UP\n AGAIN");
    expect(await textOf('<TEXT TYPE="UNPROC">&#2;\n * PRICES * \n  1  2\n&#3;\n</TEXT>')).toBe("* PRICES * \n  1  2");
    const strange = "<TEXT>&#2;<AUTHOR>by Jo</AUTHOR><TITLE> </TITLE>\n<BODY>&#3;</BODY> Rest</TEXT>";
    expect(await textOf(strange)).toMatch(/^by Jo\s+Rest$/);
  });

  it("a story's text is never empty", async () => {
    expect(await textOf('<TEXT TYPE="UNPROC">&#2;\n&#3;\n\n</TEXT>')).toBe("26-FEB-1987 15:01:01.79");
  });

  it("files are Latin-1, with LF or CRLF", async () => {
    const folder = reutersFolder();
    const first = storySgml({ names: ["gold"], text: normText("Z\xDCRICH", "one\ntwo") });
    const sgml = (first + storySgml({ names: ["tin"] })).replaceAll("\n", "\r\n");
    const file = join(folder, "reut2-003.sgm");
    writeFileSync(file, Buffer.from(sgml, "latin1"));
    const { examples } = await namedDatasets["reuters21578/modapte"].load(folder, "train");
    expect(examples).toEqual([
      { input: ["ZÜRICH\none\ntwo\n Reuter"], label: ["gold"], at: { file, line: 1 } },
      { input: ["A TITLE\nA body.\n Reuter"], label: ["tin"], at: { file, line: first.split("\n").length } },
    ]);
  });
});

describe("files of Reuters-21578 that are not as published", () => {
  const fault = async (change: (folder: string) => void) => {
    const folder = reutersFolder({});
    change(folder);
    return namedDatasets["reuters21578/modapte"].load(folder, "train").then(
      () => "none",
      (error: Error) => error.message,
    );
  };
  const writing = (sgml: string) => (folder: string) => writeFileSync(join(folder, "reut2-001.sgm"), sgml);

  it("errors name a missing file", async () => {
    expect(await fault((folder) => rmSync(join(folder, "reut2-021.sgm")))).toContain(
      "has no reut2-021.sgm of Reuters-21578's reut2-000.sgm to reut2-021.sgm: --data must be the folder",
    );
    expect(await fault((folder) => rmSync(folder, { recursive: true }))).toContain("does not exist");
  });

  it("errors name the line of a truncated or unclosed story", async () => {
    const story = storySgml({});
    expect(await fault(writing(story + story.slice(0, -30)))).toMatch(
      /reut2-001.sgm line \d+: the element BODY is never closed/,
    );
    expect(await fault(writing(`\n\n${story.replace("</REUTERS>", "")}${story}`))).toContain(
      "reut2-001.sgm line 3: the story is never closed",
    );
    expect(await fault(writing(" "))).toContain("reut2-001.sgm is empty");
  });

  it("errors name a story without the attributes for its division", async () => {
    expect(await fault(writing(`\n${storySgml({}).replace(' LEWISSPLIT="TRAIN"', "")}`))).toContain(
      "reut2-001.sgm line 2: LEWISSPLIT of a story must be one of TRAIN, TEST, NOT-USED, but is missing.",
    );
    expect(await fault(writing(storySgml({}).replace("TRAINING-SET", "TRAIN")))).toContain(
      'CGISPLIT of a story must be one of TRAINING-SET, PUBLISHED-TESTSET, but is "TRAIN".',
    );
  });
});
