/**
 * Every bench: `<word>/<operation>/<workload>` → contestant → `(options) => figures`. A contestant whose name starts with `breakwater`
 * is ours and needs no peer.
 */
import { benches as breaker } from './breaker.mjs';
import { benches as bucket } from './bucket.mjs';
import { benches as bulkhead } from './bulkhead.mjs';
import { benches as cache } from './cache.mjs';
import { benches as million } from './cache-million.mjs';
import { benches as express } from './express.mjs';
import { benches as floor } from './floor.mjs';
import { benches as limiter } from './limiter.mjs';
import { benches as memory } from './memory.mjs';
import { benches as pipeline } from './pipeline.mjs';
import { benches as policies } from './policies.mjs';
import { benches as queue } from './queue.mjs';
import { benches as schema } from './schema.mjs';
import { benches as beside } from './schema-beside.mjs';
import { benches as shedder } from './shedder.mjs';
import { benches as stall } from './stall.mjs';
import { benches as threads } from './threads.mjs';
import { benches as whenfull } from './whenfull.mjs';

export const BENCHES = {
  ...floor,
  ...bucket,
  ...limiter,
  ...express,
  ...breaker,
  ...bulkhead,
  ...cache,
  ...million,
  ...pipeline,
  ...policies,
  ...queue,
  ...schema,
  ...beside,
  ...shedder,
  ...memory,
  ...stall,
  ...threads,
  ...whenfull,
};
