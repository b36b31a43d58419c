import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { TASKS } from "../../../src/tasks/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { faultOf, folderOf, rowsOf } from "./folders.js";

const CSV =
  'mr,ref\r\n"name[A], near[Café]","It is\r\n""A"", here. "\r\n"name[A], near[Café]",A is.\r\nname[B],B is.\r\n';

it("a meaning is the prompt of all its rows, and the reference is the completion", async () => {
  const folder = folderOf({
    "trainset.csv": CSV,
    "devset.csv": "mr,ref\nd,D.\n",
    "testset_w_refs.csv": "ref,mr\nT.,t\n",
  });
  const train = await rowsOf("e2e-nlg", folder, "train");
  expect(train.inputs).toEqual([
    { kind: "prompt", prompt: "name[A], near[Café] ||", completion: ' It is\r\n"A", here.' },
    { kind: "prompt", prompt: "name[A], near[Café] ||", completion: " A is." },
    { kind: "prompt", prompt: "name[B] ||", completion: " B is." },
  ]);
  expect([train.lines, train.labels]).toEqual([
    [2, 4, 5],
    [undefined, undefined, undefined],
  ]);
  expect((await rowsOf("e2e-nlg", folder, "validation")).inputs).toMatchObject([{ prompt: "d ||", completion: " D." }]);
  expect((await rowsOf("e2e-nlg", folder, "test")).inputs).toMatchObject([{ prompt: "t ||", completion: " T." }]);
});

it("tokens are those of meaning, separator, text and end, with the loss on text and end", async () => {
  const tokenizer = await loadTokenizer(fileURLToPath(new URL("../../golden/text/gpt2", import.meta.url)));
  const at = { file: "none", line: 1 };
  const input = { kind: "prompt", prompt: "name[B] ||", completion: " B is." } as const;
  const options = { labels: undefined, maxLength: undefined };
  const [row] = await TASKS["causal-lm"].encode([{ input, label: undefined, at }], tokenizer, options);
  const [prompt, text] = await tokenizer.tokensOf([input.prompt, input.completion]);
  const learnt = [...(text?.ids ?? []), tokenizer.eosTokenId];
  expect(row?.inputIds).toEqual([...(prompt?.ids ?? []), ...learnt]);
  expect(row?.target?.filter((id) => id !== -100)).toEqual(learnt);
});

it("a folder with other files is refused", async () => {
  const folder = folderOf({ "trainset.csv": "mr,text\na,b\n", "devset.csv": 'mr,ref\na,b\n"c"," "\n' });
  expect(await faultOf(rowsOf("e2e-nlg", folder, "train"))).toBe(
    `${join(folder, "trainset.csv")} must have the columns mr and ref; it has mr, text.`,
  );
  expect(await faultOf(rowsOf("e2e-nlg", folder, "validation"))).toContain(
    "devset.csv line 3: the column ref is empty.",
  );
  expect(await faultOf(rowsOf("e2e-nlg", folder, "test"))).toContain(
    "has no testset_w_refs.csv of the E2E NLG Challenge (trainset.csv, devset.csv, testset_w_refs.csv): --data must be the folder",
  );
});
