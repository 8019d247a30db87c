/** What is compared in the third part: with more and more in front of the work. */
import { BULKHEAD, SHEDDER } from '../scenario.mjs';

export const WAYS = [
  { title: 'nothing', shed: false, bound: false },
  { title: 'shedding', shed: true, bound: false },
  { title: 'a bulkhead', shed: false, bound: true },
  { title: 'both', shed: true, bound: true },
];

/** Makes what a way has. breakwater is not even loaded where it has nothing. */
export async function protect({ shed, bound }) {
  if (!shed && !bound) return {};
  const { Bulkhead, LoadShedder } = await import('breakwater');
  const bulkhead = bound ? new Bulkhead({ ...BULKHEAD, label: 'reports' }) : undefined;
  const shedder = shed ? new LoadShedder({ ...SHEDDER, label: 'reports' }) : undefined;
  return { bulkhead, shedder };
}
