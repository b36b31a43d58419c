/** The reports of runs and comparisons, as the command `report` writes them. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Context, Hono } from "hono";
import { BidoraError } from "../../../base/index.js";
import { REPORT } from "../../../base/records/index.js";
import type { Part } from "../folder.js";
import type { Studio } from "../workspace.js";

/** Serves `/SCREEN/report/NAME`. @param source the file in the folder that the report is made from */
export function addReports(app: Hono, studio: Studio, screen: string, part: Part, source: string): void {
  app.get(`${screen}/report/:name`, async (c) => {
    try {
      return await reportOf(c, studio, part, source);
    } catch (error) {
      if (error instanceof BidoraError) return c.text(error.message, 404);
      throw error;
    }
  });
}

async function reportOf(c: Context, studio: Studio, part: Part, source: string): Promise<Response> {
  const name = c.req.param("name") ?? "";
  const folder = studio.folder.at(part, name);
  if (!existsSync(join(folder, source)))
    throw new BidoraError("STUDIO", `${studio.folder.as(part, name)} has nothing to report yet.`);
  const file = join(folder, REPORT);
  if (timeOf(file) < timeOf(join(folder, source))) await studio.commands.run(["report", studio.folder.as(part, name)]);
  return c.html(readFileSync(file, "utf8"));
}

/** When a file changed last; 0 if there is none. */
const timeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
