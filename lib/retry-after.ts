/** How long a server asks to be left alone: from what it said with an error or a response. */

/** Milliseconds that `error` or, failing that, `result` asks for; 0 where neither says anything that can be read. */
export function retryAfterOf(error: unknown, result: unknown): number {
  try {
    return read(error, result);
  } catch {
    // What says it by a getter that throws says nothing: the error that the caller is to get is another.
    return 0;
  }
}

function read(error: unknown, result: unknown): number {
  const own = property(error, 'retryAfterMs');
  if (typeof own === 'number' && own > 0) return own;
  for (const carrier of [error, property(error, 'response'), result]) {
    const header = headerOf(property(carrier, 'headers'));
    if (header !== undefined) return parse(header);
  }
  return 0;
}

function property(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** `Headers`, a Map, or a plain object whose keys are in any case. */
function headerOf(headers: unknown): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const { get } = headers as { get?: unknown };
  const listed = headers instanceof Map ? [...headers] : Object.entries(headers);
  const found: unknown =
    typeof get === 'function' && !(headers instanceof Map)
      ? get.call(headers, 'retry-after')
      : listed.find(([name]) => String(name).toLowerCase() === 'retry-after')?.[1];
  const value: unknown = Array.isArray(found) ? found[0] : found;
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : undefined;
}

/** Seconds, or an HTTP date (RFC 9110, 10.2.3). What is neither, or past, says nothing. */
function parse(header: string): number {
  if (/^\d+(\.\d+)?$/.test(header)) return Number(header) * 1_000;
  // A date is the other server's wall clock: the only one it can be compared with is ours. The oldest form ends with the year,
  // means GMT and does not say so: it would be taken for local time.
  const date = / \d{4}$/.test(header) ? `${header} GMT` : header;
  const at = /^[A-Z]/i.test(date) ? Date.parse(date) : Number.NaN;
  return Number.isNaN(at) ? 0 : Math.max(at - Date.now(), 0);
}
