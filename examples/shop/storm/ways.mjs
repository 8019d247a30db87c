/** The ways to call an upstream that the second part compares: a set of protections each, every one with a little more. */
export const WAYS = [
  { title: 'nothing', protection: 'none' },
  { title: '3 attempts, by hand', protection: 'by hand' },
  { title: 'breakwater: retries', protection: 'retries' },
  { title: '  and hedging', protection: 'hedging' },
  { title: '  and a breaker', protection: 'breaker' },
];
