/** Programs that ask a running server, with its address and the model's name in them. */
import { GENERATING } from "../answers/protocol.js";

export interface Snippet {
  readonly title: string;
  /** What to install first. */
  readonly install?: string;
  readonly text: string;
}

interface Served {
  /** The server's address, without a slash at its end. */
  readonly url: string;
  readonly model: string;
  readonly task: string;
  /** Whether the model reads conversations. */
  readonly isChat: boolean;
}

/** For curl, the packages `openai` of Python and npm, and the AI SDK; the last three have no call for reranking. */
export function snippetsFor(served: Served): Snippet[] {
  const { task, isChat } = served;
  if (task === "reranking") return reranking(served);
  if (task === "embedding") return embedding(served);
  return GENERATING.includes(task) ? (isChat ? chat(served) : completion(served)) : [];
}

const text = (value: unknown): string => JSON.stringify(value);

/** A line of the program that is shown, which must not look like an import of this one's. */
const imported = (names: string, from: string): string => `import ${names} from ${text(from)};`;

const curl = ({ url }: Served, route: string, body: object): Snippet => ({
  title: "curl",
  text: `curl ${url}/v1/${route} -H "content-type: application/json" \\\n  -d '${text(body)}'`,
});

const python = ({ url }: Served, lines: readonly string[]): Snippet => ({
  title: "openai for Python",
  install: "pip install openai",
  text: [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${text(`${url}/v1`)}, api_key="none")`,
    ...lines,
  ].join("\n"),
});

const node = ({ url }: Served, lines: readonly string[]): Snippet => ({
  title: "openai for Node",
  install: "npm install openai",
  text: [
    imported("OpenAI", "openai"),
    "",
    `const client = new OpenAI({ baseURL: ${text(`${url}/v1`)}, apiKey: "none" });`,
    ...lines,
  ].join("\n"),
});

const aiSdk = ({ url }: Served, named: string, lines: readonly string[]): Snippet => ({
  title: "AI SDK",
  install: "npm install ai @ai-sdk/openai-compatible",
  text: [
    imported("{ createOpenAICompatible }", "@ai-sdk/openai-compatible"),
    imported(`{ ${named} }`, "ai"),
    "",
    `const bidora = createOpenAICompatible({ name: "bidora", baseURL: ${text(`${url}/v1`)} });`,
    ...lines,
  ].join("\n"),
});

const ASKED = "Hello!";

function chat(served: Served): Snippet[] {
  const model = text(served.model);
  const messages = `[{ role: "user", content: ${text(ASKED)} }]`;
  return [
    curl(served, "chat/completions", { model: served.model, messages: [{ role: "user", content: ASKED }] }),
    python(served, [
      `answer = client.chat.completions.create(model=${model}, messages=[{"role": "user", "content": ${text(ASKED)}}])`,
      "print(answer.choices[0].message.content)",
    ]),
    node(served, [
      `const answer = await client.chat.completions.create({ model: ${model}, messages: ${messages} });`,
      "console.log(answer.choices[0]?.message.content);",
    ]),
    aiSdk(served, "streamText", [
      `const { textStream } = streamText({ model: bidora.chatModel(${model}), prompt: ${text(ASKED)} });`,
      "for await (const piece of textStream) process.stdout.write(piece);",
    ]),
  ];
}

/** The AI SDK makes a conversation of its own of every prompt, which these models were not trained on. */
function completion(served: Served): Snippet[] {
  const model = text(served.model);
  return [
    curl(served, "completions", { model: served.model, prompt: ASKED, max_tokens: 40 }),
    python(served, [
      `answer = client.completions.create(model=${model}, prompt=${text(ASKED)}, max_tokens=40)`,
      "print(answer.choices[0].text)",
    ]),
    node(served, [
      `const answer = await client.completions.create({ model: ${model}, prompt: ${text(ASKED)}, max_tokens: 40 });`,
      "console.log(answer.choices[0]?.text);",
    ]),
  ];
}

const TEXTS = ["one text", "another"];

function embedding(served: Served): Snippet[] {
  const model = text(served.model);
  return [
    curl(served, "embeddings", { model: served.model, input: TEXTS }),
    python(served, [
      `answer = client.embeddings.create(model=${model}, input=${text(TEXTS)})`,
      "print(len(answer.data), len(answer.data[0].embedding))",
    ]),
    node(served, [
      `const answer = await client.embeddings.create({ model: ${model}, input: ${text(TEXTS)} });`,
      "console.log(answer.data.length, answer.data[0]?.embedding.length);",
    ]),
    aiSdk(served, "embedMany", [
      `const { embeddings } = await embedMany({ model: bidora.embeddingModel(${model}), values: ${text(TEXTS)} });`,
      "console.log(embeddings.length, embeddings[0]?.length);",
    ]),
  ];
}

function reranking(served: Served): Snippet[] {
  const body = { model: served.model, query: "a query", documents: TEXTS };
  const url = text(`${served.url}/v1/rerank`);
  return [
    curl(served, "rerank", body),
    {
      title: "Node",
      text: [
        `const answer = await fetch(${url}, {`,
        '  method: "POST",',
        '  headers: { "content-type": "application/json" },',
        `  body: JSON.stringify(${text(body)}),`,
        "});",
        "console.log((await answer.json()).results);",
      ].join("\n"),
    },
    {
      title: "Python",
      text: [
        "import json, urllib.request",
        "",
        `request = urllib.request.Request(${url}, json.dumps(${text(body)}).encode(), {"content-type": "application/json"})`,
        'print(json.load(urllib.request.urlopen(request))["results"])',
      ].join("\n"),
    },
  ];
}
