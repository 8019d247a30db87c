/**
 * The validators in JavaScript: `OPEN[name]({ schema, formats })` answers `(value) => boolean`; ata-validator takes bytes. Each is opened
 * as generously as it documents: no strictness about the schema, and `format` checked or not at all.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The class for a draft; of older ones than 7 there is none in the package. */
const AJV = {
  'http://json-schema.org/draft-07/schema': 'ajv',
  'https://json-schema.org/draft/2019-09/schema': 'ajv/dist/2019',
  'https://json-schema.org/draft/2020-12/schema': 'ajv/dist/2020',
};

export function ajvClass({ $schema }) {
  const from = AJV[$schema?.replace(/#$/, '')];
  if (from === undefined) throw new Error(`it has no ${$schema}`);
  return require(from).default;
}

/** A compiled function of ajv, from an instance of its own. */
export function ajv({ schema, formats, allErrors = false }) {
  const Ajv = ajvClass(schema);
  const instance = new Ajv({ strict: false, validateFormats: formats, allErrors, logger: false });
  if (formats) require('ajv-formats').default(instance);
  return instance.compile(schema);
}

function schemasafe({ schema, formats }) {
  const { validator } = require('@exodus/schemasafe');
  return validator(schema, { mode: 'lax', isJSON: true, formatAssertion: formats });
}

async function typebox({ schema, formats }) {
  const { Compile } = await import('typebox/schema');
  const { Format } = await import('typebox/format');
  if (!formats) Format.Clear();
  const compiled = Compile(schema);
  return (value) => compiled.Check(value);
}

export const OPEN = { ajv, schemasafe, typebox };

/**
 * ata-validator, on bytes: by its native part, where npm has installed it, otherwise from the string. It remembers the last string and
 * its verdict, so no document may follow itself.
 */
export function ata({ schema, formats }) {
  const { Validator } = require('ata-validator');
  const compiled = new Validator(schema, { assertFormat: formats, useDefaults: false });
  try {
    compiled.isValid(Buffer.from('{}'));
    return (bytes) => compiled.isValid(bytes);
  } catch {
    return (bytes) => compiled.isValidJSON(bytes.toString());
  }
}
