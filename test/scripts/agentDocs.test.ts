import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { COMMANDS } from "../../src/app/cli/commands.js";
import { flagOf } from "../../src/base/settings/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const file: string = new URL("../../scripts/generate/documents.js", import.meta.url).href;
const { documentsIn } = (await import(file)) as { documentsIn(readme: string): object[] };

const skill = read("skills/bidora/SKILL.md");
const flagsIn = (text: string): string[] => text.match(/(?<=[\s`])--[a-z][\w-]*/g) ?? [];
const flagsOf = async (command: string): Promise<string[]> =>
  Object.keys((await COMMANDS[command]!.load()).options).map(flagOf);

test("every flag in the skill exists, and each of its commands takes the flags that it has there", async () => {
  const commands = skill.match(/npx bidora [a-z][\w-]*[^`\n]*/g)!;
  expect(commands.length).toBeGreaterThanOrEqual(10);
  for (const line of commands) {
    const [, command] = /npx bidora ([\w-]+)/.exec(line)!;
    expect(Object.keys(COMMANDS), line).toContain(command);
    expect([...(await flagsOf(command!)), "--help-all"], line).toEqual(expect.arrayContaining(flagsIn(line)));
  }
  const all = (await Promise.all(Object.keys(COMMANDS).map(flagsOf))).flat();
  expect([...all, "--help-all"]).toEqual(expect.arrayContaining(flagsIn(skill)));
});

test("the skill has its name and what it is for at the top, and is short", () => {
  expect(skill).toMatch(/^---\nname: bidora\ndescription: .{50,1000}\n---\n\n# /);
  expect(skill.split("\n").length).toBeLessThan(150);
});

test("llms.txt lists the documents of the README", () => {
  const paths = (text: string) => new Set(text.match(/(?<=\]\()docs\/[\w/-]+\.md/g));
  const listed = paths(read("llms.txt"));
  expect(listed).toEqual(paths(/^## Document.*\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(read("README.md"))![1]!));
  for (const path of listed) expect(existsSync(join(root, path)), path).toBe(true);
});

test("documents stand in rows of a table or a list, several in a line with their descriptions in order", () => {
  const readme = `[x](docs/x.md)
## Documents

| **Start** | [Studio](docs/studio.md) | in a browser |
| | [Tickets](docs/start/tickets.md), [spam](docs/start/spam.md) | routes; pages |

### Guides

- [Export](docs/export.md): ONNX, GGUF
- [Models](docs/models.md), [data](docs/data.md) – what is supported

## License

[y](docs/y.md)
`;
  expect(documentsIn(readme)).toEqual([
    { group: "Start", title: "Studio", path: "docs/studio.md", about: "in a browser" },
    { group: "Start", title: "Tickets", path: "docs/start/tickets.md", about: "routes" },
    { group: "Start", title: "Spam", path: "docs/start/spam.md", about: "pages" },
    { group: "Guides", title: "Export", path: "docs/export.md", about: "ONNX, GGUF" },
    { group: "Guides", title: "Models", path: "docs/models.md", about: "what is supported" },
    { group: "Guides", title: "Data", path: "docs/data.md", about: "what is supported" },
  ]);
  expect(() => documentsIn("# bidora\n")).toThrow("has no list of documents");
});
