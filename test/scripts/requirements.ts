// What shared libraries ask of the system.
import { expect } from "vitest";

interface Requirements {
  readonly GLIBC?: string;
  readonly GLIBCXX?: string;
  readonly CXXABI?: string;
}

const { byVersion, requirements } = await import(new URL("../../scripts/package/elf.js", import.meta.url).href);

export const needs = (...paths: readonly string[]): Promise<Requirements> => requirements(paths);

export async function expectNothingNewer(addon: string, libtorch: readonly string[]): Promise<void> {
  const [asked, available] = [await needs(addon), await needs(...libtorch)];
  for (const [name, version] of Object.entries(asked) as [keyof Requirements, string][]) {
    const newest = [version, available[name] ?? "0"].sort(byVersion).at(-1);
    expect(newest, `${addon} needs ${name}_${version}`).toBe(available[name]);
  }
}
