// Schema against what others have written down: the official test suite by every route, and ajv on real documents that were changed at
// random. Neither lies in this repository: BREAKWATER_SUITE and BREAKWATER_SCHEMAS name the folders, else they are looked for beside it.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { Schema } from 'breakwater';
import { causeOf, KNOWN, peerFor } from '../helpers/ajv.mjs';
import { chances, mutated, respelled, spokenOf, written } from '../helpers/json.mjs';

const beside = (name) => fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
const folder = (variable, name) => process.env[variable] ?? beside(name);
const SUITE = folder('BREAKWATER_SUITE', 'json-schema-test-suite');
const CORPUS = folder('BREAKWATER_SCHEMAS', 'schema-corpus');
export const hasSuite = existsSync(`${SUITE}/tests`);
export const hasCorpus = existsSync(CORPUS);

/** Nothing holds that was not looked at. */
function mustBeThere(is, variable, folder) {
  if (!is) throw new Error(`${folder} is not there: ${variable} names the folder`);
}

const DRAFTS = ['4', '6', '7', '2019-09', '2020-12'];

/** The JSON files below a folder, by their names in it. */
function files(folder, below = '') {
  return readdirSync(`${folder}/${below}`).flatMap((name) => {
    const path = below + name;
    if (statSync(`${folder}/${path}`).isDirectory()) return files(folder, `${path}/`);
    return name.endsWith('.json') ? [path] : [];
  });
}

/** What the schemas of a draft refer to: what is of no draft or of this one, and of others what says so itself. */
function remotes(draft) {
  const found = {};
  for (const path of files(`${SUITE}/remotes`)) {
    const [folder] = /^(?:draft[\d-]+|v1)(?=\/)/.exec(path) ?? [];
    const definition = JSON.parse(readFileSync(`${SUITE}/remotes/${path}`, 'utf8'));
    const isOther = folder !== undefined && folder !== `draft${draft}`;
    if (isOther && (definition.$schema === undefined || !DRAFTS.includes(folder.slice(5)))) continue;
    found[`http://localhost:1234/${path}`] = definition;
  }
  return found;
}

/** Long enough to be validated beside the event loop. */
const LONG = ' '.repeat(16 * 1024);

/** A document's verdicts by each route that its way into a validator can take. */
const ROUTES = {
  bytes: (schema, text) => schema.isValid(Buffer.from(text)),
  string: (schema, text) => schema.isValid(text),
  beside: async (schema, text) => (await schema.validateAsync(text + LONG)).valid,
  opened(schema, text) {
    try {
      return (
        isDeepStrictEqual(schema.open(Buffer.from(text)).toObject(), JSON.parse(text)) || 'another value'
      );
    } catch (error) {
      if (error.code !== 'ERR_VALIDATION') throw error;
      return false;
    }
  },
  value: (schema, text) => schema.check(JSON.parse(text)),
};

/** Runs a file of the suite: how many tests there are, and those that fail, by route. */
async function runFile(path, options, routes) {
  const text = readFileSync(`${SUITE}/tests/${path}`, 'utf8');
  const outcome = { tests: 0, failed: [] };
  const raw = written(text).elements;
  for (const [index, { description, schema: definition, tests }] of JSON.parse(text).entries()) {
    const fail = (what) => outcome.failed.push(`${path}: ${description}: ${what}`);
    let schema;
    try {
      schema = new Schema(definition, options);
    } catch (error) {
      outcome.tests += tests.length;
      for (const test of tests) fail(`${test.description}: ${error.message}`);
      continue;
    }
    const documents = raw[index].members.get('tests').elements;
    await Promise.all(
      tests.map(async ({ description, valid }, at) => {
        outcome.tests += 1;
        const document = documents[at].members.get('data').text;
        for (const route of routes) {
          const said = await ROUTES[route](schema, document);
          if (said !== valid) return fail(`${description}: ${route} says ${said}`);
        }
      }),
    );
    schema.dispose();
  }
  return outcome;
}

/** The required tests of drafts by all routes: `{ draft, tests, failed }` for each. */
export async function requiredTests({
  drafts = DRAFTS,
  routes = Object.keys(ROUTES),
  only = () => true,
} = {}) {
  mustBeThere(hasSuite, 'BREAKWATER_SUITE', SUITE);
  const found = [];
  for (const draft of drafts) {
    const refs = remotes(draft);
    const sum = { draft, tests: 0, failed: [] };
    for (const path of readdirSync(`${SUITE}/tests/draft${draft}`)) {
      if (!path.endsWith('.json') || !only(path)) continue;
      const options = { draft, refs, formats: false, regex: 'backtracking' };
      const { tests, failed } = await runFile(`draft${draft}/${path}`, options, routes);
      sum.tests += tests;
      sum.failed.push(...failed);
    }
    found.push(sum);
  }
  return found;
}

/** The optional tests by bytes, with formats: `{ path, tests, failed, why? }` for each file, `why` if it is known to fail. */
export async function optionalTests({ drafts = DRAFTS } = {}) {
  mustBeThere(hasSuite, 'BREAKWATER_SUITE', SUITE);
  const found = [];
  for (const draft of drafts) {
    const refs = remotes(draft);
    for (const path of files(`${SUITE}/tests/draft${draft}`, 'optional/')) {
      const options = { draft, refs, regex: 'backtracking' };
      const [, why] = UNSUPPORTED.find(([which]) => which.test(path)) ?? [];
      found.push({
        path: `draft${draft}/${path}`,
        why,
        ...(await runFile(`draft${draft}/${path}`, options, ['bytes'])),
      });
    }
  }
  return found;
}

/** Optional tests that are known to fail, and why. */
const UNSUPPORTED = [[/format\/idn-/, 'international names and addresses are not checked']];

/** The kind that comes without documents, and has the only schema of 2020-12. */
const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'Orders', version: '1.2.0', license: { name: 'MIT', identifier: 'MIT' } },
  servers: [
    { url: 'https://example.com/v1', variables: { host: { default: 'example.com', enum: ['example.com'] } } },
  ],
  tags: [{ name: 'orders', externalDocs: { url: 'https://example.com/docs' } }],
  security: [{ key: [] }],
  paths: {
    '/orders/{id}': {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
      get: {
        operationId: 'getOrder',
        parameters: [
          { $ref: '#/components/parameters/page' },
          { name: 'x', in: 'query', content: { 'text/plain': {} } },
        ],
        responses: {
          200: { $ref: '#/components/responses/order' },
          default: { description: 'any', links: { self: { operationId: 'getOrder' } } },
        },
      },
      put: {
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: { $ref: '#/components/schemas/order' },
              examples: { one: { value: 1 } },
            },
          },
        },
        responses: { '2XX': { description: 'done', headers: { etag: { schema: { type: 'string' } } } } },
        callbacks: {
          paid: { '{$request.body#/url}': { post: { responses: { 204: { description: 'heard' } } } } },
        },
      },
    },
  },
  components: {
    schemas: {
      order: { type: 'object', properties: { id: { type: 'integer' }, at: { type: ['string', 'null'] } } },
      any: true,
    },
    responses: { order: { description: 'an order', content: { 'application/json': { schema: true } } } },
    parameters: {
      page: { name: 'page', in: 'query', style: 'form', explode: false, schema: { minimum: 1 } },
    },
    securitySchemes: {
      key: { type: 'apiKey', in: 'header', name: 'x-key' },
      open: { type: 'openIdConnect', openIdConnectUrl: 'https://example.com/id' },
    },
  },
};

/** The same without schemas, in which ajv's own understanding of them plays no part. */
const PLAIN_OPENAPI = JSON.parse(
  JSON.stringify(OPENAPI, (name, value) =>
    ['schema', 'schemas', 'parameters', 'headers'].includes(name) ? undefined : value,
  ),
);

/** Documents of a kind, and their schema. */
function kindOf(kind, instances) {
  const path = `${CORPUS}/${kind}/instances.jsonl`;
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const documents = lines
    .filter((line) => line.trim() !== '')
    .slice(0, instances)
    .map((line) => JSON.parse(line));
  if (kind === 'openapi') documents.push(OPENAPI, PLAIN_OPENAPI);
  return { documents, definition: JSON.parse(readFileSync(`${CORPUS}/${kind}/schema.json`, 'utf8')) };
}

/** Compares verdicts with ajv's on so many changed documents of each kind. */
export function besideAjv({ rounds, seed = 20_261_128, kinds = () => true, instances = 200 }) {
  mustBeThere(hasCorpus, 'BREAKWATER_SCHEMAS', CORPUS);
  const found = readdirSync(CORPUS).filter(kinds).sort();
  return found.map((kind) => {
    const { definition, documents } = kindOf(kind, instances);
    if (documents.length === 0) throw new Error(`there are no documents of ${kind}`);
    return { kind, ...differences(definition, documents, { rounds, seed }) };
  });
}

function differences(definition, documents, { rounds, seed }) {
  const chance = chances(seed);
  const spoken = spokenOf(definition);
  const schema = new Schema(definition, { regex: 'backtracking' });
  const peer = peerFor(definition);
  const outcome = { valid: 0, invalid: 0, explained: {}, unexplained: [] };
  for (let round = 0; round < rounds; round++) {
    const document = mutated(documents[chance(documents.length)], spoken, chance);
    let text = JSON.stringify(document);
    if (chance(4) === 0) text = respelled(text, chance);
    const ours = schema.validate(Buffer.from(text));
    const theirs = peer.isValid(text);
    outcome[ours.valid ? 'valid' : 'invalid'] += 1;
    if (ours.valid === theirs) continue;
    const cause = causeOf(definition, text, ours, theirs);
    if (cause === undefined)
      outcome.unexplained.push(`seed ${seed}, round ${round}: ${text.slice(0, 2_000)} is ${theirs} to ajv`);
    else outcome.explained[cause] = (outcome.explained[cause] ?? 0) + 1;
  }
  schema.dispose();
  return outcome;
}

const none = (figure, list) => ({
  figure,
  value: list.length === 0 ? 0 : `${list.length}: ${list.slice(0, 3).join(' | ')}`,
  must: '0',
  holds: list.length === 0,
});

export const sections = [
  {
    title: 'The official suite of JSON Schema, by every route',
    what: 'All required tests of drafts 4, 6, 7, 2019-09 and 2020-12, each as bytes, as a string, beside the event loop (padded to 16 KiB), opened, and as a value; formats are annotations, as these tests have it. Of the optional tests, as bytes and with formats, the files of which some fail are named.',
    async run() {
      const figures = (await requiredTests()).map(({ draft, tests, failed }) => ({
        figure: `draft ${draft}: required tests that pass`,
        value: failed.length === 0 ? tests : `${tests - failed.length}: ${failed.slice(0, 3).join(' | ')}`,
        must: `${tests}`,
        holds: failed.length === 0 && tests > 600,
      }));
      const optional = await optionalTests();
      const sum = (list) => list.reduce((sum, number) => sum + number, 0);
      const tests = sum(optional.map(({ tests }) => tests));
      const passed = tests - sum(optional.map(({ failed }) => failed.length));
      figures.push({ figure: 'optional tests that pass', value: `${passed} of ${tests}` });
      for (const { path, tests, failed, why } of optional) {
        if (failed.length === 0) continue;
        figures.push({
          figure: `${path}: fail`,
          value:
            why === undefined
              ? `${failed.length} of ${tests}: ${failed.slice(0, 3).join(' | ')}`
              : `${failed.length} of ${tests} (${why})`,
          must: why === undefined ? '0' : undefined,
          holds: why !== undefined,
        });
      }
      return figures;
    },
  },
  {
    title: 'The verdicts of ajv, on real documents that were changed at random',
    what: '20,000 documents of each of 17 kinds (configurations of real projects, by their public schemas): one, two or three members or elements gone, new, doubled or of another value, a quarter of them also spelled in another way or no JSON any more. Seed 20261128. Where ajv, with its defaults, says something else, the specification has to say why.',
    async run() {
      const found = besideAjv({ rounds: 20_000 });
      const explained = {};
      for (const each of found) {
        for (const [cause, count] of Object.entries(each.explained)) {
          explained[cause] = (explained[cause] ?? 0) + count;
        }
      }
      const sum = (word) => found.reduce((sum, each) => sum + each[word], 0);
      return [
        { figure: 'kinds', value: found.length },
        { figure: 'valid', value: sum('valid') },
        { figure: 'not valid', value: sum('invalid') },
        ...Object.entries(explained)
          .sort()
          .map(([cause, value]) => ({
            figure: cause.startsWith(KNOWN) ? cause : `explained: ${cause}`,
            value,
          })),
        ...found.map(({ kind, unexplained }) => none(`${kind}: not explained`, unexplained)),
      ];
    },
  },
];
