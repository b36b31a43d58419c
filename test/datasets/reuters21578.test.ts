import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { namedDatasets } from "../../src/datasets/index.js";
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
  ] as const)("%s goes by LEWISSPLIT and TOPICS", async (by, train, test) => {
    expect(titles((await rows(folder, by, "train")).texts)).toEqual(train);
    expect(titles((await rows(folder, by, "test")).texts)).toEqual(test);
  });

  it("modhayes goes by CGISPLIT alone", async () => {
    const train = titles((await rows(folder, "modhayes", "train")).texts);
    expect(train.slice(0, 5)).toEqual(["A", "B", "C", "D", "E"]);
    expect(train.length).toBe(5 + 15);
    expect(titles((await rows(folder, "modhayes", "test")).texts)).toEqual(["F", "G"]);
  });

  it("has the topics of training stories for labels, and no other ones in its test rows", async () => {
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

  it("is title and body, without the wire's control characters", async () => {
    expect(await textOf(normText("OIL &lt;XON> UP", "Growth.\xFC&#5;&#30;side 3 &amp; 4.\n    More&#127;."))).toBe(
      "OIL <XON> UP\nGrowth.üside 3 & 4.\n    More.\n Reuter",
    );
  });

  it("is the title of a brief one, and all of one that is not divided", async () => {
    expect(await textOf('<TEXT TYPE="BRIEF">&#2;\n<TITLE>GOLD UP\n AGAIN</TITLE>\n</TEXT>')).toBe("GOLD UP\n AGAIN");
    expect(await textOf('<TEXT TYPE="UNPROC">&#2;\n * PRICES * \n  1  2\n&#3;\n</TEXT>')).toBe("* PRICES * \n  1  2");
    const strange = "<TEXT>&#2;<AUTHOR>by Jo</AUTHOR><TITLE> </TITLE>\n<BODY>&#3;</BODY> Rest</TEXT>";
    expect(await textOf(strange)).toMatch(/^by Jo\s+Rest$/);
  });

  it("is never empty", async () => {
    expect(await textOf('<TEXT TYPE="UNPROC">&#2;\n&#3;\n\n</TEXT>')).toBe("26-FEB-1987 15:01:01.79");
  });

  it("is Latin-1 with lines that end in CRLF too", async () => {
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

  it("are named where one is missing", async () => {
    expect(await fault((folder) => rmSync(join(folder, "reut2-021.sgm")))).toContain(
      "has no reut2-021.sgm of Reuters-21578's reut2-000.sgm to reut2-021.sgm: give the folder",
    );
    expect(await fault((folder) => rmSync(folder, { recursive: true }))).toContain("does not exist");
  });

  it("are named with the line where a story is cut off, or not closed", async () => {
    const story = storySgml({});
    expect(await fault(writing(story + story.slice(0, -30)))).toMatch(
      /reut2-001.sgm line \d+: the element BODY is never closed/,
    );
    expect(await fault(writing(`\n\n${story.replace("</REUTERS>", "")}${story}`))).toContain(
      "reut2-001.sgm line 3: the story is never closed",
    );
    expect(await fault(writing(" "))).toContain("reut2-001.sgm is empty");
  });

  it("are named where a division can't be told", async () => {
    expect(await fault(writing(`\n${storySgml({}).replace(' LEWISSPLIT="TRAIN"', "")}`))).toContain(
      "reut2-001.sgm line 2: LEWISSPLIT of a story must be one of TRAIN, TEST, NOT-USED, but is missing.",
    );
    expect(await fault(writing(storySgml({}).replace("TRAINING-SET", "TRAIN")))).toContain(
      'CGISPLIT of a story must be one of TRAINING-SET, PUBLISHED-TESTSET, but is "TRAIN".',
    );
  });
});
