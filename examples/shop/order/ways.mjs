/** What is compared in the fifth part: who validates the bodies of the order route. `app` are options of Fastify. */
export const WAYS = [
  { title: 'ajv, all errors', app: { ajv: { customOptions: { allErrors: true } } } },
  { title: 'ajv, first error', app: {} },
  { title: 'validate', app: {}, validate: { maxErrors: 10 } },
];
