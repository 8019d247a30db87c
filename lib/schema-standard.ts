/** What Schema is as a Standard Schema: verdicts of values in memory, and its JSON Schema in one piece. */
import { inOnePiece, type SchemaSource } from './schema-bundle.js';
import type { StandardOptions, StandardProps, StandardResult, Validation } from './schema-options.js';

/** `validate` is Schema's, and throws once that is disposed. */
export function standardProps<T>(
  source: SchemaSource,
  label: string | undefined,
  validate: (document: string) => Validation,
): StandardProps<T> {
  const convert = (options?: StandardOptions): Record<string, unknown> =>
    inOnePiece(source, options?.target, label);
  return {
    version: 1,
    vendor: 'breakwater',
    validate(value: unknown): StandardResult<T> {
      const json = jsonOf(value);
      const found = validate(json ?? '');
      if (json === undefined) return { issues: [{ message: 'must be a value that has JSON', path: [] }] };
      if (found.valid) return { value: value as T };
      return {
        issues: found.errors.map(({ message, instancePath }) => ({ message, path: stepsOf(instancePath) })),
      };
    },
    jsonSchema: { input: convert, output: convert },
  };
}

/** A value as JSON; undefined where it has none. JSON writes null for NaN and its like, which are something else. */
export function jsonOf(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value);
    return text === 'null' && value !== null ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Pointers of issues are cut after so many bytes. */
const LONGEST_POINTER = 256;

/** The steps of an issue's pointer; if it was cut, those that are whole: they lead to where the rest is. */
function stepsOf(pointer: string): string[] {
  const steps = pointer.split('/').slice(1);
  if (Buffer.byteLength(pointer) > LONGEST_POINTER) steps.pop();
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}
