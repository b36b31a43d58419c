/** What a table has under a name that comes from a file or a user: never what every object has (`constructor`, `__proto__`). */
export const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
