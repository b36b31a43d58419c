// Files of rows: tables, columns of words, Reuters' SGML.
import { join } from "node:path";
import fc from "fast-check";
import { loadEmbeddingExamples } from "../../../src/tasks/data/embeddingExamples.js";
import { readPlainTsv } from "../../../src/tasks/data/files/tableFiles.js";
import {
  loadLanguage,
  loadQuestions,
  loadReferences,
  loadTexts,
  loadWords,
  readName,
  readNumber,
} from "../../../src/tasks/data/index.js";
import { loadTable } from "../../../src/tasks/data/loadExamples.js";
import { loadRerankingExamples } from "../../../src/tasks/data/rerankingExamples.js";
import { reuters21578 } from "../../../src/tasks/datasets/reuters21578.js";
import { golden, placed } from "../files.js";
import { mutatedJsonText, mutatedText } from "../mutations.js";
import { target } from "../target.js";

/** Every reader of rows; each refuses rows that are not its own. */
const READERS: readonly ((file: string) => Promise<unknown>)[] = [
  (file) => loadTexts(file, { read: readName }),
  (file) => loadTexts(file, { read: readNumber }),
  (file) => loadWords(file),
  (file) => loadLanguage(file),
  (file) => loadQuestions(file),
  (file) => loadReferences(file),
  (file) => loadEmbeddingExamples(file, { loss: "ranking" } as never),
  (file) => loadRerankingExamples(file),
];

/** A target for files of one format. */
const tables = (extension: string, inputs: fc.Arbitrary<string>) =>
  target({
    name: extension.slice(1),
    inTests: 30,
    inputs: fc.record({ file: inputs, reader: fc.nat(READERS.length) }),
    run({ file, reader }) {
      const path = join(placed({ [`rows${extension}`]: file }), `rows${extension}`);
      return READERS[reader]?.(path) ?? loadTable(path);
    },
  });

const ROWS = ["train", "multi", "pairs", "questions", "regression", "texts", "tokens", "language"].map((name) =>
  golden(`rows/${name}.jsonl`),
);
const LINES = ROWS.flatMap((text) => text.trimEnd().split("\n").slice(0, 3));

const jsonl = tables(
  ".jsonl",
  fc.oneof(
    mutatedText(ROWS),
    fc
      .array(fc.oneof(fc.constantFrom(...LINES), mutatedJsonText(LINES)), { maxLength: 4 })
      .map((lines) => lines.join("\n")),
  ),
);

const CSV = [
  'text,label\n"a, ""b""",x\r\nc,y\n',
  "sentence1,sentence2,label\na,b,0\n\n,c,1\n",
  'text,score\n"two\nlines",0.5\n',
];
const TSV = ['text\tlabel\na "b\tx\nc\ty\n', 'words\ttags\n"a b"\tO\n', "a\tO\nb\tB-X\n\nc\tI-X\n"];
const CONLLU = [
  "# text = a b\n1\ta\ta\tDET\t_\t_\t2\tdet\t_\t_\n2\tb\tb\tNOUN\t_\t_\t0\troot\t_\t_\n\n",
  "1-2\tab\t_\t_\t_\t_\t_\t_\t_\t_\n",
];

const parquet = tables(
  ".parquet",
  mutatedText(
    ["none", "snappy", "gzip", "zstd", "brotli", "lz4", "integers", "messages", "bytes", "twice"].map((name) =>
      golden(`data/${name}.parquet`),
    ),
  ),
);

const plain = target({
  name: "plain tsv",
  inTests: 30,
  inputs: mutatedText(TSV),
  run: (file) => readPlainTsv(join(placed({ "rows.tsv": file }), "rows.tsv")),
});

const STORY = `<!DOCTYPE lewis SYSTEM "lewis.dtd">
<REUTERS TOPICS="YES" LEWISSPLIT="TRAIN" CGISPLIT="TRAINING-SET" OLDID="5544" NEWID="1">
<DATE>26-FEB-1987</DATE><TOPICS><D>cocoa</D><D>earn</D></TOPICS><PLACES></PLACES>
<TEXT>&#2;<TITLE>A &lt;B> &amp; c</TITLE><BODY>Showers &#5; x
&#3;</BODY></TEXT></REUTERS>
<REUTERS TOPICS="NO" LEWISSPLIT="TEST" CGISPLIT="PUBLISHED-TESTSET" OLDID="1" NEWID="2"><TOPICS></TOPICS><TEXT TYPE="BRIEF"><TITLE>b</TITLE></TEXT></REUTERS>
`;

const reuters = target({
  name: "sgml",
  inTests: 20,
  inputs: mutatedText([STORY, STORY.repeat(3)]),
  run(first) {
    const names = Array.from({ length: 22 }, (_, i) => `reut2-${String(i).padStart(3, "0")}.sgm`);
    const files = names.map((name, i) => [name, i === 0 ? first : STORY] as const);
    return reuters21578["reuters21578/modapte"].load(placed(Object.fromEntries(files)), "train");
  },
});

export const rowTargets = [
  jsonl,
  tables(".csv", mutatedText(CSV)),
  tables(".tsv", mutatedText(TSV)),
  tables(".conllu", mutatedText(CONLLU)),
  tables(".conll", mutatedText(TSV)),
  parquet,
  plain,
  reuters,
];
