// The screen Compare with runs that train.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { small } from "../../e2e/comparison/small.js";
import { BERT, fresh } from "../../e2e/support.js";
import { openStudio, until } from "./support.js";

test("a comparison is estimated, stopped, continued and reported", { timeout: 300_000 }, async () => {
  const folder = fresh("studio");
  mkdirSync(folder, { recursive: true });
  const { train, validation } = small();
  const settings = { model: join(BERT, "single"), task: "sequence-classification", train, validation, maxSteps: 40 };
  const lines = Object.entries({ ...settings, batchSize: 4, method: "lora", threads: 1 });
  writeFileSync(join(folder, "run.yaml"), lines.map(([key, value]) => `${key}: ${value}\n`).join(""));
  const client = await openStudio(folder);
  const asked = { name: "one", methods: "lora,dora", seeds: "2", margin: "0.1" };
  const address = `/compare?${new URLSearchParams(asked)}`;
  await client.post("/compare/estimate", asked, address);
  const costs = await until(client, address, "Estimated costs of each method");
  expect(costs).toContain("<dt>Runs</dt><dd>4</dd>");
  expect(costs).toContain("Which difference it can show is not known");
  expect(costs).toContain("compare comparisons/one.yaml --output comparisons/one --dry-run");

  await client.post("/compare/start", asked);
  await until(client, "/compare?show=one", /[1-3] of 4 runs are done/);
  await client.post("/works/stop", { name: "comparison-one" });
  const stopped = await until(client, "/compare?show=one", "Going on makes the missing ones");
  expect(stopped).not.toContain('id="scores"');
  await client.close();

  const again = await openStudio(folder);
  await again.post("/compare/go", { name: "one" });
  const done = await until(again, "/compare?show=one", 'id="scores"', 120);
  expect(done).toContain("Tests of each pair of methods");
  expect(done).toContain('<iframe title="Report of the comparison one"');
  expect(done).toContain("4 of 4 runs are done");
  const report = await again.get("/compare/report/one");
  expect(await report.text()).toContain("Comparison one");
  expect(report.headers.get("content-security-policy")).toContain("style-src 'self' 'unsafe-inline'");

  const more = { ...asked, name: "two", seeds: "4", pilot: "one" };
  const next = `/compare?${new URLSearchParams(more)}`;
  await again.post("/compare/estimate", more, next);
  const power = await until(again, next, "in the main metric is found in 80 %");
  expect(power).toContain("--dry-run --pilot comparisons/one");
  expect(existsSync(join(folder, "comparisons", "two", "comparison-plan.json"))).toBe(false);
});
