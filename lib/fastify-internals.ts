/**
 * What Fastify publishes nowhere, where it keeps it: under symbols, on an instance or one it stands in. Undefined where a version keeps
 * it elsewhere.
 */
export function internalOf(fastify: object, description: string): unknown {
  for (let object: object | null = fastify; object !== null; object = Object.getPrototypeOf(object)) {
    const symbol = Object.getOwnPropertySymbols(object).find((one) => one.description === description);
    if (symbol !== undefined) return (object as Record<symbol, unknown>)[symbol];
  }
  return undefined;
}
