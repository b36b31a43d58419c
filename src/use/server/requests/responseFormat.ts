/** The parameter `response_format`. */
import { z } from "zod";
import type { JsonSchema } from "../../../models/generation/index.js";

/** Text, any JSON object, or JSON by a schema. The schema is followed whether `strict` is true or false. */
export const aResponseFormat = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("text") }),
    z.strictObject({ type: z.literal("json_object") }),
    z.strictObject({
      type: z.literal("json_schema"),
      json_schema: z.strictObject({
        name: z.string().optional(),
        description: z.string().nullish(),
        strict: z.boolean().nullish(),
        schema: z.record(z.string(), z.unknown()),
      }),
    }),
  ],
  '"text", "json_object" or "json_schema"',
);

/** The schema of the answer, or undefined for any text. */
export function schemaOf(format: z.infer<typeof aResponseFormat> | undefined): JsonSchema | undefined {
  if (format === undefined || format.type === "text") return undefined;
  return format.type === "json_object" ? { type: "object" } : format.json_schema.schema;
}
