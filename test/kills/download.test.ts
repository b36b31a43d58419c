// A download that is killed at any moment and run again ends with the files of the repository.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BERT, fresh } from "../e2e/support.js";
import { FakeHub } from "../formats/fakeHub.js";
import { afterTime, entries, finished, KILLS, killed, leftovers, randomOf, whenFile } from "./killed.js";

describe("a killed download", () => {
  const hub = new FakeHub();
  let endpoint: string;
  beforeAll(async () => {
    hub.files = Object.fromEntries(
      entries(join(BERT, "single")).map((file) => [
        file,
        { content: readFileSync(join(BERT, "single", file)), large: file === "model.safetensors" },
      ]),
    );
    endpoint = await hub.start();
  });
  afterAll(() => hub.stop());

  test(
    "is resumed, and the files are those of the repository",
    async () => {
      const cache = fresh("cache");
      const env = { ...process.env, HF_ENDPOINT: endpoint, HF_HUB_CACHE: cache, OMP_NUM_THREADS: "1" };
      const random = randomOf(2000);
      const argv = ["download", hub.repo];
      const isPart = (file: string) => file.endsWith(".incomplete") || file.startsWith("models--");
      for (let kill = 0; kill < KILLS; kill++)
        await killed(
          argv,
          cache,
          random() < 0.5 ? afterTime(1000 * random()) : whenFile("a file", isPart, 60 * random()),
          env,
        );
      await finished(argv, cache, env);
      const snapshot = join(cache, "models--org--model", "snapshots", hub.commit);
      for (const [file, { content }] of Object.entries(hub.files))
        expect(readFileSync(join(snapshot, file)).equals(content as Buffer), file).toBe(true);
      expect(leftovers(cache)).toEqual([]);
    },
    100_000 + 30_000 * KILLS,
  );
});
