import { describe, expect, it } from "vitest";
import { runDash, runSymbol } from "../../../src/studies/report/figures/palette.js";
import { style } from "../../../src/studies/report/page.js";

/** The colors of the first and the second theme, by name. */
const themes = [...style.matchAll(/:root\{(?:color-scheme:light dark;)?(--page[^}]*)\}/g)]
  .slice(0, 2)
  .map(([, text]) => {
    const pairs = [...text!.matchAll(/--([\w-]+):(#[0-9a-f]{3,6})/g)];
    return new Map(pairs.map(([, name, color]) => [name!, color!]));
  });

/** Relative luminance (WCAG 2.2). */
function luminance(color: string): number {
  const digits = color.length === 4 ? [...color.slice(1)].map((digit) => digit + digit) : color.slice(1).match(/../g)!;
  const [red, green, blue] = digits.map((pair) => {
    const value = Number.parseInt(pair, 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(a: string, b: string): number {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter! + 0.05) / (darker! + 0.05);
}

describe.each(["light", "dark"].map((name, i) => ({ name, theme: themes[i]! })))("the $name theme", ({ theme }) => {
  const of = (name: string) => theme.get(name)!;

  it("text has a contrast of at least 4.5 to 1", () => {
    for (const [text, ground] of [
      ["ink", "card"],
      ["ink", "page"],
      ["ink", "alert"],
      ["soft", "card"],
      ["soft", "page"],
      ["link", "card"],
      ["link", "page"],
    ] as const)
      expect(contrast(of(text), of(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  });

  it("curves have a contrast of at least 3 to 1", () => {
    const curves = [...theme.keys()].filter((name) => name.startsWith("run-"));
    expect(curves).toHaveLength(7);
    for (const name of curves) expect(contrast(of(name), of("card")), name).toBeGreaterThanOrEqual(3);
  });
});

it("a shadow shows on which side a table can scroll", () => {
  const rule = /\.scroll\{([^}]*)\}/.exec(style)![1]!;
  expect(rule).toContain("overflow-x:auto");
  const layers = [...rule.matchAll(/linear-gradient\((\d+deg),var\(--(card|shade)\).*?(local|scroll)/g)];
  expect(layers.map(([, side, color, moves]) => [side, color, moves])).toEqual([
    ["90deg", "card", "local"],
    ["270deg", "card", "local"],
    ["90deg", "shade", "scroll"],
    ["270deg", "shade", "scroll"],
  ]);
});

it("twenty runs differ by marks and dashes alone", () => {
  const forms = Array.from({ length: 20 }, (_, run) => `${runDash(run)} ${runSymbol(run)}`);
  expect(new Set(forms).size).toBe(20);
});
