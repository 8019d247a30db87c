/** Errors that cross threads: name, message, stack, code and cause, and when to retry. */

interface Envelope {
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  readonly stack?: string | undefined;
  readonly code?: string | number | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: Envelope | undefined;
  /** Something was thrown that is no error: its JSON, if it has one. */
  readonly thrown?: unknown;
}

/** Causes of causes that are carried along. */
const DEPTH = 8;

export function packError(error: unknown): string {
  return JSON.stringify(envelope(error, DEPTH));
}

function envelope(error: unknown, depth: number): Envelope {
  try {
    if (typeof error !== 'object' || error === null || !('message' in error)) return { thrown: plain(error) };
    const { name, message, stack, code, retryAfterMs, cause } = error as Record<string, unknown>;
    return {
      name: typeof name === 'string' ? name : undefined,
      message: String(message),
      stack: typeof stack === 'string' ? stack : undefined,
      code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
      retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
      cause: cause === undefined || depth === 0 ? undefined : envelope(cause, depth - 1),
    };
  } catch {
    return { name: 'Error', message: 'an error that could not be read' };
  }
}

function plain(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null');
  } catch {
    return String(value);
  }
}

export function unpackError(text: string): unknown {
  return open(JSON.parse(text) as Envelope);
}

function open(envelope: Envelope): unknown {
  if (envelope.message === undefined) return envelope.thrown;
  const { name, message, stack, code, retryAfterMs, cause } = envelope;
  const error = new Error(message, cause === undefined ? undefined : { cause: open(cause) });
  const define = (key: string, value: unknown, enumerable: boolean): void => {
    if (value === undefined) return;
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
  };
  define('name', name, false);
  define('stack', stack, false);
  define('code', code, true);
  define('retryAfterMs', retryAfterMs, true);
  return error;
}
