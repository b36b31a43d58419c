import { expect, test, vi } from "vitest";
import { createOutput } from "../../src/app/cli/output.js";
import { createProgress } from "../../src/app/cli/progress.js";
import { formatTable } from "../../src/app/commands/command.js";
import { renderInspection } from "../../src/app/commands/models/inspect.js";
import { oneLine, printable, printableJson } from "../../src/base/messages.js";
import { PLAIN_FORMAT } from "../../src/formats/sentenceTransformers.js";

const EVIL = "a\u001b[31mb\u001b]0;title\u0007\u009b2J\r\u007f\u0000é";

const SHOWN = "a\\x1b[31mb\\x1b]0;title\\x07\\x9b2J\\x0d\\x7f\\x00é";

test("control characters are escaped", () => {
  expect(oneLine(`${EVIL}\n\t`)).toBe(`${SHOWN}\\n\\t`);
  expect(printable(`${EVIL}\n\t`)).toBe(`${SHOWN}\n\t`);
});

test("escaped JSON parses to the same value", () => {
  const text = printableJson({ [EVIL]: [EVIL] });
  expect(text).toMatch(/^[\u0020-\u007e\u00a0-\uffff]*$/);
  expect(JSON.parse(text)).toEqual({ [EVIL]: [EVIL] });
});

test("no control character from a file reaches the terminal", () => {
  const printed: string[] = [];
  const take = (text: unknown) => printed.push(String(text)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockImplementation(take));
  const output = createOutput({});
  output.note(EVIL);
  output.result(EVIL, EVIL);
  createOutput({ json: true }).result({ [EVIL]: EVIL }, "");
  output.result({}, formatTable([EVIL, "value"], [[EVIL, 1]]));
  for (const spy of spies) spy.mockRestore();
  expect(printed).toHaveLength(4);
  for (const text of printed) expect(text).toMatch(/^[\u0020-\u007e\u00a0-\uffff\n]*$/);
});

test("progress bars escape control characters in names", () => {
  let drawn = "";
  const observe = createProgress({ isTTY: true, columns: 200, write: (text) => (drawn += text) });
  observe({ event: "evaluation", time: "", phase: "train", step: 1, metrics: { [EVIL]: 1 } });
  observe({ event: "checkpoint", time: "", phase: "train", step: 1, path: EVIL });
  expect(drawn.split("\r\u001b[K").join("")).toMatch(/^[\u0020-\u007e\u00a0-\uffff\n]*$/);
  expect(drawn).toContain(SHOWN);
});

test("inspect escapes line breaks in names", () => {
  const text = renderInspection({
    kind: "model",
    path: "m",
    modelType: EVIL,
    architectures: [`${EVIL}\n`],
    head: { kind: "sequence-classification", labels: [`x\nRefused: all`, EVIL] },
    embedding: { ...PLAIN_FORMAT, prompts: { [EVIL]: "" } },
    defaultTargetModules: [],
    vocabSize: 8,
    maxTokens: null,
    tasks: [],
    parameters: 1,
    dtypes: { F32: 1 },
    bytes: 4,
    tensors: [{ name: `${EVIL}\nNothing in it is refused.`, dtype: "F32", shape: [1] }],
    refusals: [`${EVIL}\nx`],
  });
  expect(text).toMatch(/^[\u0020-\u007e\u00a0-\uffff\n]*$/);
  expect(text.split("\n").filter((line) => /^(Refused|Nothing)/.test(line))).toEqual([`Refused: ${SHOWN}\\nx`]);
});
