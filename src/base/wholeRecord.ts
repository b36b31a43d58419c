// A schema for records. In a file of its own, as it is all that needs zod here, which is loaded with the options and not before.
import { z } from "zod";

/** A record that refuses the key `__proto__`, which zod drops silently. */
export const wholeRecord = <T>(record: z.ZodType<T>): z.ZodType<T> =>
  z
    .unknown()
    .refine((value) => !(value instanceof Object && Object.hasOwn(value, "__proto__")), {
      error: "the name __proto__ is not supported",
      abort: true,
    })
    .pipe(record);
