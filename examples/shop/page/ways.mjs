/** What is compared in the fourth part: whether what was loaded is known, and to whom. */
export const WAYS = [
  { title: 'no cache', protection: 'none' },
  { title: 'a cache per thread', protection: 'cache per thread' },
  { title: 'one cache for all', protection: 'one cache' },
];
