import { z } from "zod";

/** A record of which nothing gets lost: zod leaves a key `__proto__` out without a word. */
export const wholeRecord = <T>(record: z.ZodType<T>): z.ZodType<T> =>
  z
    .unknown()
    .refine((value) => !(value instanceof Object && Object.hasOwn(value, "__proto__")), {
      error: "the name __proto__ is not supported",
      abort: true,
    })
    .pipe(record);
