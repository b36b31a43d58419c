#!/usr/bin/env node
import { existsSync } from "node:fs";

const entry = new URL("../dist/app/cli/main.js", import.meta.url);
if (existsSync(entry)) {
  const { main } = await import(entry.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write("bidora: not built yet; run `npm run setup` in its folder.\n");
  process.exitCode = 1;
}
