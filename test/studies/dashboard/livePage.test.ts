import { expect, test } from "vitest";
import { LivePage } from "../../../src/studies/dashboard/pages.js";

/** A page whose drawing takes so many milliseconds of a clock of its own. */
function pageThatTakes(milliseconds: number) {
  const clock = { now: 0 };
  let drawn = 0;
  const page = new LivePage(
    async () => {
      clock.now += milliseconds;
      return `drawing ${++drawn}`;
    },
    () => clock.now,
  );
  return { page, clock };
}

test("a page is drawn once while nothing changes", async () => {
  const { page, clock } = pageThatTakes(10);
  expect(await page.html()).toBe("drawing 1");
  clock.now += 1e6;
  expect(page.isDue).toBe(false);
  expect(await page.html()).toBe("drawing 1");
});

test("a changed page is drawn again after two seconds", async () => {
  const { page, clock } = pageThatTakes(10);
  await page.html();
  page.changed();
  clock.now += 1999;
  expect(page.isDue).toBe(false);
  expect(await page.html()).toBe("drawing 1");
  clock.now += 1;
  expect(page.isDue).toBe(true);
  expect(await page.html()).toBe("drawing 2");
});

test.each([
  ["a page that takes long is drawn a tenth of the time", 1000, 10_000],
  ["nobody waits longer than half a minute for a drawing", 20_000, 30_000],
])("%s", async (_, takes, waits) => {
  const { page, clock } = pageThatTakes(takes);
  await page.html();
  page.changed();
  clock.now += waits - 1;
  expect(page.isDue).toBe(false);
  clock.now += 1;
  expect(page.isDue).toBe(true);
});

test("the final page is drawn at once if anything has changed", async () => {
  const { page } = pageThatTakes(10);
  await page.html();
  expect(await page.html(true)).toBe("drawing 1");
  page.changed();
  expect(await page.html(true)).toBe("drawing 2");
});

test("two requests at once share a drawing, and a failed one is repeated", async () => {
  const { page } = pageThatTakes(10);
  expect(await Promise.all([page.html(), page.html()])).toEqual(["drawing 1", "drawing 1"]);
  let fails = true;
  const clock = { now: 0 };
  const other = new LivePage(
    () => (fails ? Promise.reject(new Error("torn")) : Promise.resolve("whole")),
    () => clock.now,
  );
  await expect(other.html()).rejects.toThrow("torn");
  fails = false;
  other.changed();
  clock.now += 2000;
  expect(await other.html()).toBe("whole");
});
