// Method and settings of the next run, as a page shows and changes them.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { expect, test } from "vitest";
import { type Asked, Form } from "../../../src/app/studio/screen.js";
import { METHOD_FACTS } from "../../../src/app/studio/settings/methodFacts.js";
import { settingsActions, settingsPart } from "../../../src/app/studio/settings/settingsPart.js";
import { Studio } from "../../../src/app/studio/workspace.js";
import { methodNames } from "../../../src/tasks/config/index.js";
import { freshPath } from "../../support/workFolder.js";

function studioWith(yaml?: string): { studio: Studio; file: () => string } {
  const folder = freshPath("settings");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, "run.yaml");
  if (yaml !== undefined) writeFileSync(path, yaml);
  return { studio: new Studio(folder), file: () => (existsSync(path) ? readFileSync(path, "utf8") : "") };
}

const formOf = (fields: Record<string, string>): Form => new Form(new URLSearchParams(fields).toString());
const set = (studio: Studio, setting: string, value: string) =>
  settingsActions.setting(studio, formOf({ setting, [setting]: value }));

async function pageOf(studio: Studio, asked: Partial<Asked> = {}): Promise<ReturnType<typeof parseHTML>["document"]> {
  const part = await settingsPart(studio, { query: new URLSearchParams(), ...asked });
  return parseHTML(`<!doctype html><html><body>${part.source}</body></html>`).document;
}

test("every method has its name, three sentences, and a picture with words", async () => {
  const page = await pageOf(studioWith().studio);
  for (const name of methodNames) {
    const input = page.querySelector(`input[name=method][value=${name}]`)!;
    expect(page.querySelector(`label[for=${input.id}]`)!.textContent).toBe(METHOD_FACTS[name].name);
    const about = page.getElementById(input.getAttribute("aria-describedby")!)!.textContent!;
    expect(about.match(/\.( |$)/g), name).toHaveLength(3);
    const picture = input.closest(".method")!.querySelector("svg")!;
    expect(picture.getAttribute("aria-label")).toContain("trained");
  }
  expect(page.querySelectorAll("#more-methods [type=radio]")).toHaveLength(methodNames.length - 4);
  const bidora = page.getElementById("method-bidora")!;
  expect(bidora.hasAttribute("checked")).toBe(false);
  expect(page.getElementById("method-lora")!.hasAttribute("checked")).toBe(true);
  expect(bidora.closest(".method")!.querySelector("svg")!.getAttribute("aria-label")).toBe(
    "BiDoRA: m ⊙ ( W + B A ) / ‖·‖; W frozen, m trained in the upper level, B and A trained in the lower level.",
  );
});

test("a change is written, shown as set, and taken back; comments stay", async () => {
  const { studio, file } = studioWith("# mine\nmodel: some/model # the model\n");
  expect(set(studio, "rank", "4")).toBe("/train");
  expect(file()).toBe("# mine\nmodel: some/model # the model\nrank: 4\n");
  const setting = (await pageOf(studio)).getElementById("setting-rank")!;
  expect(setting.className).toContain("given");
  expect(setting.querySelector("#field-rank")!.getAttribute("value")).toBe("4");
  expect(setting.querySelector("button")!.textContent).toBe("Reset rank to 8");
  settingsActions.reset(studio, formOf({ setting: "rank" }));
  expect(file()).toBe("# mine\nmodel: some/model # the model\n");
  expect((await pageOf(studio)).querySelector("#field-rank")!.getAttribute("value")).toBe("8");
});

test("an emptied field is the default again", () => {
  const { studio, file } = studioWith("model: m\nbatchSize: 4\n");
  set(studio, "batchSize", " ");
  expect(file()).toBe("model: m\n");
});

test("epochs and steps take each other's place", async () => {
  const { studio, file } = studioWith("model: m\nepochs: 2\n");
  set(studio, "maxSteps", "50");
  expect(file()).toBe("model: m\nmaxSteps: 50\n");
  set(studio, "epochs", "1.5");
  expect(file()).toBe("model: m\nepochs: 1.5\n");
});

test("what loses its effect with another method leaves the file, and the page says so", async () => {
  const { studio, file } = studioWith("model: m\nmethod: dora\nmagnitudeAxis: in\nrank: 4\nrslora: true\n");
  const next = settingsActions.method(studio, formOf({ method: "lora" })) as string;
  expect(next).toBe("/train?left=magnitudeAxis");
  expect(file()).toBe("model: m\nmethod: lora\nrank: 4\nrslora: true\n");
  const page = await pageOf(studio, { query: new URL(next, "http://studio").searchParams });
  expect(page.getElementById("left")!.textContent).toContain("no effect with the other settings: Magnitude axis.");
  expect(page.getElementById("setting-magnitudeAxis")!.textContent).toContain(
    "applies only with --method dora or bidora.",
  );
});

test("a refused value changes nothing, and is shown again", async () => {
  const { studio, file } = studioWith("model: m\nmethod: dora\n");
  expect(() => set(studio, "rank", "many")).toThrow('--rank takes a whole number of at least 1; got "many".');
  expect(() => set(studio, "magnitudeAxis", "up")).toThrow('--magnitude-axis takes out or in; got "up".');
  expect(() => set(studio, "upper", "ia3")).toThrow("--upper ia3 does not go with --method dora");
  expect(() => settingsActions.method(studio, formOf({ method: "qlora" }))).toThrow("--method takes");
  expect(file()).toBe("model: m\nmethod: dora\n");
  const form = formOf({ setting: "rank", rank: "many" });
  const input = (await pageOf(studio, { form })).querySelector("#field-rank")!;
  expect([input.getAttribute("value"), input.getAttribute("aria-invalid")]).toEqual(["many", "true"]);
});

test("without a model, too, settings that exclude each other and those without effect are refused", async () => {
  const { studio, file } = studioWith("method: lora\n");
  expect(() => set(studio, "upper", "ia3")).toThrow("--upper ia3 does not go with --method lora");
  expect(() => set(studio, "magnitudeAxis", "in")).toThrow("No effect with the other settings: --magnitude-axis.");
  expect(file()).toBe("method: lora\n");
  set(studio, "rank", "4");
  expect(settingsActions.method(studio, formOf({ method: "full" }))).toBe("/train?left=rank");
  expect(file()).toBe("method: full\n");
});

test("what is no setting of this page is refused", () => {
  const { studio, file } = studioWith("model: m\n");
  for (const key of ["model", "output", "json", "resume", "__proto__", "toString", "nothing"])
    expect(() => set(studio, key, "true"), key).toThrow(`No setting of this page is named "${key}".`);
  expect(file()).toBe("model: m\n");
});

test("the input fits the kind of value", async () => {
  const page = await pageOf(studioWith("model: m\nmethod: bidora\n").studio);
  const words = (key: string) =>
    [...page.querySelectorAll(`#field-${key} option`)].map((one) => [one.getAttribute("value"), one.textContent]);
  expect(words("rslora")).toEqual([
    ["", "default: no"],
    ["true", "yes"],
    ["false", "no"],
  ]);
  expect(words("schedule").map(([value]) => value)).toEqual(["", "linear", "cosine", "constant"]);
  const mode = (key: string) => page.getElementById(`field-${key}`)!.getAttribute("inputmode");
  expect(["rank", "learningRate", "xi", "targetModules", "holdoutGroups"].map(mode)).toEqual([
    "numeric",
    "decimal",
    "text",
    "text",
    "text",
  ]);
});

test.each([
  ["targetModules", "query, value", "[query, value]"],
  ["rankPattern", "query=4, value=16", "{query: 4, value: 16}"],
  ["rslora", "true", "true"],
  ["shuffle", "false", "false"],
  ["learningRate", "1e-4", "0.0001"],
  ["xi", "0.5", "0.5"],
  ["log", "tensorboard", "[tensorboard]"],
  ["holdoutGroups", "6", "6"],
])("%s is read from a form and shown as it was given", async (key, text, written) => {
  const { studio, file } = studioWith("model: m\nmethod: bidora\n");
  set(studio, key, text);
  expect(file()).toBe(`model: m\nmethod: bidora\n${key}: ${written}\n`);
  const input = (await pageOf(studio)).getElementById(`field-${key}`)!;
  const shown = input.getAttribute("value") ?? input.querySelector("[selected]")!.getAttribute("value");
  expect(shown).toBe(key === "learningRate" ? "0.0001" : text);
});

test("the default of a given setting is what follows from the others", async () => {
  const page = await pageOf(studioWith("model: m\nmethod: vera\nlearningRate: 0.5\n").studio);
  expect(page.querySelector("#setting-learningRate button")!.textContent).toBe("Reset learning rate to 0.01");
});

test("all settings of a run file are found by words, those without effect too", async () => {
  const page = await pageOf(studioWith("model: m\nmethod: full\ntask: regression\n").studio);
  const beta = page.getElementById("setting-beta")!;
  expect(beta.getAttribute("data-words")).toContain("--beta");
  expect(beta.textContent).toContain("it applies only with --task preference");
  expect(page.getElementById("setting-rank")!.textContent).toContain("it applies only with --method lora");
  expect(page.getElementById("setting-list")!.querySelectorAll("[data-words]").length).toBeGreaterThan(90);
});
