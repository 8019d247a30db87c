/**
 * Schema beside JSON.parse with the validators in JavaScript, on every schema that schema-corpus.mjs finds. What is validated are bytes,
 * as they come from a socket. A call is a pass over all documents of a schema, told for one of them, so that each of them counts
 * in each sample. Who cannot compile a schema, or does not find its documents valid, answers `{ cannot }` instead of figures.
 */
import { setImmediate } from 'node:timers/promises';
import { now, sync } from './calls.mjs';
import { Schema } from './ours.mjs';
import { reach, SCHEMAS, workload } from './schema-corpus.mjs';
import { ajv, ajvClass, ata, OPEN } from './schema-peers.mjs';

/**
 * A contestant: `open({ schema, formats, regex })` answers `call(document)`; `holds(answer, document)` is asked about every answer.
 */
const passes = (open, holds) => (work) => async (options) => {
  const { documents, ...schema } = work(options);
  const pass = await attempt(async () => {
    const call = await open(schema);
    const pass = () => {
      let held = 0;
      for (const document of documents) if (holds(call(document), document)) held++;
      return held;
    };
    const wrong = documents.length - pass();
    return wrong === 0 ? pass : { cannot: `is wrong about ${wrong} of ${documents.length} documents` };
  });
  if (pass.cannot !== undefined) return pass;
  const figures = await sync(
    () => pass,
    (held) => held === documents.length,
  )(options);
  const each = (figure) => Number((figures[figure] / documents.length).toPrecision(4));
  return { ...figures, ns: each('ns'), best: each('best'), cpuNs: each('cpuNs') };
};

/** A peer may refuse a schema. The errors with a code are ours, or say that a package is missing. */
async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.code !== undefined) throw error;
    return { cannot: error.message.split('\n')[0].slice(0, 150) };
  }
}

const compiled = ({ schema, formats, regex }, more) => new Schema(schema, { formats, regex, ...more });
const ours = (use, more) => (work) => {
  const schema = compiled(work, more);
  return (document) => use(schema, document);
};

/** JSON.parse, then what a peer makes of the value. */
const parsed =
  (peer, use = (validate, value) => validate(value), more = {}) =>
  async (work) => {
    const validate = await OPEN[peer]({ ...work, ...more });
    return (document) => use(validate, JSON.parse(document.bytes.toString()), document);
  };
const AJV = 'JSON.parse and ajv';

const isTrue = (answer) => answer === true;
const VALIDATE = {
  breakwater: passes(
    ours((schema, { bytes }) => schema.isValid(bytes)),
    isTrue,
  ),
  [AJV]: passes(parsed('ajv'), isTrue),
  'JSON.parse and schemasafe': passes(parsed('schemasafe'), isTrue),
  'JSON.parse and typebox': passes(parsed('typebox'), isTrue),
  'ata-validator': passes((work) => {
    const isValid = ata(work);
    return ({ bytes }) => isValid(bytes);
  }, isTrue),
};

const isValue = (answer) => answer !== undefined;
const PARSE = {
  breakwater: passes(
    ours((schema, { bytes }) => schema.parse(bytes)),
    isValue,
  ),
  [AJV]: passes(
    parsed('ajv', (validate, value) => (validate(value) ? value : undefined)),
    isValue,
  ),
};

/** A document without a scalar is asked for itself. */
const isLast = (answer, { last }) => answer === last || typeof answer === 'object';
const OPEN_AND_GET = {
  breakwater: passes(
    ours((schema, { bytes, pointers: [first, second, third] }) => {
      const document = schema.open(bytes);
      const found = document.get(first) !== undefined && document.get(second) !== undefined;
      return found ? document.get(third) : undefined;
    }),
    isLast,
  ),
  [AJV]: passes(
    parsed('ajv', (validate, value, { steps: [first, second, third] }) => {
      const isFound = (steps) => reach(value, steps) !== undefined;
      return validate(value) && isFound(first) && isFound(second) ? reach(value, third) : undefined;
    }),
    isLast,
  ),
};

/** Orders with three faults, behind almost everything that is right. */
const broken = (work) => (options) => {
  const { documents, ...schema } = work(options);
  const breaks = ({ bytes }) => {
    const order = JSON.parse(bytes);
    Object.assign(order.items.at(-1), { quantity: 0, cents: -1 });
    return { bytes: Buffer.from(JSON.stringify({ ...order, currency: 'eur' })) };
  };
  return { ...schema, documents: documents.map(breaks) };
};
const errors = ({ maxErrors, allErrors, told }) => ({
  breakwater: passes(
    ours((schema, { bytes }) => schema.validate(bytes).errors, { maxErrors }),
    ({ length }) => length === told,
  ),
  [AJV]: passes(
    parsed(
      'ajv',
      (validate, value) => {
        validate(value);
        return validate.errors;
      },
      { allErrors },
    ),
    ({ length }) => length === told,
  ),
});
const FIRST_ERROR = errors({ maxErrors: 1, allErrors: false, told: 1 });
const ALL_ERRORS = errors({ maxErrors: 10, allErrors: true, told: 3 });

/** Values in memory: nothing has to be parsed, and ours has to write them out first. */
const values = (work) => (options) => {
  const { documents, ...schema } = work(options);
  return { ...schema, documents: documents.map(({ bytes }) => ({ value: JSON.parse(bytes) })) };
};
const CHECK = {
  breakwater: passes(
    ours((schema, { value }) => schema.check(value)),
    isTrue,
  ),
  ajv: passes((work) => {
    const validate = ajv(work);
    return ({ value }) => validate(value);
  }, isTrue),
};

const WARM_UP_NS = 300e6;
const MEASURED_NS = 350e6;

/**
 * Compiling, anew each time: nobody has met this text before. The first one of a process apart, after the code is loaded. For ajv an
 * instance is part of it, as where schemas come and go: an instance keeps all schemas that it ever had.
 */
const compiles = (load, compile) => (work) => async (options) => {
  const { schema, formats, regex } = work(options);
  let round = 0;
  const one = async () => {
    const distinct = { schema: { ...schema, $comment: `round ${round++}` }, formats, regex };
    const start = now();
    compile(distinct);
    const ns = now() - start;
    await setImmediate();
    return ns;
  };
  const first = await attempt(() => {
    load(schema);
    return one();
  });
  if (first.cannot !== undefined) return first;

  const samples = [];
  const [warmUpNs, measuredNs, least] = options.quick ? [0, 0, 2] : [WARM_UP_NS, MEASURED_NS, 5];
  for (const start = now(); now() - start < warmUpNs; ) await one();
  const cpu = process.cpuUsage();
  const start = now();
  while (samples.length < least || now() - start < measuredNs) samples.push(await one());
  const { user, system } = process.cpuUsage(cpu);
  const cpuNs = (user + system) * 1e3;
  const cpuShare = cpuNs / (now() - start);
  samples.sort((a, b) => a - b);
  return {
    ns: samples[samples.length >> 1],
    best: samples[0],
    cpuNs: Math.round(cpuNs / samples.length),
    cpuShare: Number(cpuShare.toPrecision(4)),
    firstMs: first / 1e6,
  };
};
const COMPILE = {
  breakwater: compiles(
    () => new Schema(true).dispose(),
    (schema) => compiled(schema).dispose(),
  ),
  ajv: compiles(ajvClass, ajv),
};

/** Ours has to be able to do all of it. */
const able = (measure) => async (options) => {
  const figures = await measure(options);
  if (figures.cannot !== undefined) throw new Error(figures.cannot);
  return figures;
};

export const benches = {};
function add(operation, name, contestants, change = (work) => work) {
  const work = change((options) => workload(name, options));
  const made = Object.entries(contestants).map(([contestant, make]) => {
    const measure = make(work);
    return [contestant, contestant === 'breakwater' ? able(measure) : measure];
  });
  benches[`schema/${operation}/${name}`] = Object.fromEntries(made);
}

const ORDERS = SCHEMAS.filter((name) => name.startsWith('order-'));
for (const name of SCHEMAS) add('validate', name, VALIDATE);
for (const name of SCHEMAS) add('parse', name, PARSE);
for (const name of SCHEMAS) add('open', name, OPEN_AND_GET);
for (const name of ORDERS) add('errors', name, FIRST_ERROR, broken);
for (const name of ORDERS) add('allErrors', name, ALL_ERRORS, broken);
for (const name of ORDERS) add('check', name, CHECK, values);
// All orders have one schema.
for (const name of SCHEMAS) if (!ORDERS.slice(1).includes(name)) add('compile', name, COMPILE);
