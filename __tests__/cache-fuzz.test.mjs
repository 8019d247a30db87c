/** Random sequences of calls on a cache of either kind and on a model of it that can be read by eye: they have to agree. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gatedLoader, KINDS, turn, withCache } from './helpers/cache.mjs';
import { watched } from './helpers/promises.mjs';

const RULES = {
  ttlMs: 30,
  staleWhileRevalidateMs: 20,
  staleIfErrorMs: 40,
  refreshBackoffMs: 10,
  negativeTtlMs: 5,
  leaseMs: Number.POSITIVE_INFINITY,
};
const KEYS = ['a', 'b', 'c', 'd'];
const TAGS = ['x', 'y'];
const SEQUENCES = 150;
const STEPS = 60;

/** xorshift32: the same sequence on every machine. */
function chanceOf(seed) {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

class Model {
  now = 0;
  sequence = 0;
  entries = new Map();
  barriers = new Map();
  /** Loads under way; the one of its key that may be joined, and whose value counts. */
  flights = [];
  current = new Map();

  barrier(tags) {
    return Math.max(0, ...tags.map((tag) => this.barriers.get(tag) ?? 0));
  }

  /** 'fresh', 'revalidate', 'onError' or 'dead'. */
  standing(key) {
    const entry = this.entries.get(key);
    if (entry === undefined || this.barrier(entry.tags) > entry.seen) return 'dead';
    if (this.now <= entry.until && !entry.ended) return 'fresh';
    const staleFor = this.now - entry.until;
    if (entry.absent) return 'dead';
    if (staleFor <= RULES.staleWhileRevalidateMs) return 'revalidate';
    return staleFor <= RULES.staleIfErrorMs ? 'onError' : 'dead';
  }

  isDue(key) {
    return this.now >= this.entries.get(key).retryAt;
  }

  store(key, value, { ttlMs = RULES.ttlMs, tags = [], seen = this.sequence, absent = false }) {
    this.entries.set(key, {
      value,
      until: this.now + ttlMs,
      tags,
      seen,
      absent,
      ended: false,
      retryAt: Number.NEGATIVE_INFINITY,
    });
  }

  /** Answers what the caller gets at once, or undefined: then it waits. `began` is told of a load that begins. */
  ask(caller, began) {
    const { key, forced } = caller;
    const standing = this.standing(key);
    const entry = this.entries.get(key);
    if (!forced) {
      if (standing === 'fresh') return entry;
      if (standing === 'revalidate' || (standing === 'onError' && !this.isDue(key))) {
        if (this.isDue(key) && !this.current.has(key)) this.begin(key, false, began);
        return entry;
      }
    }
    this.join(caller, began);
    return undefined;
  }

  join(caller, began) {
    const there = this.current.get(caller.key);
    const flight =
      there !== undefined && (there.forced || !caller.forced)
        ? there
        : this.begin(caller.key, caller.forced, began);
    caller.seen = this.sequence;
    flight.callers.push(caller);
  }

  begin(key, forced, began) {
    const flight = { key, forced, seen: this.sequence, callers: [] };
    this.flights.push(flight);
    this.current.set(key, flight);
    began();
    return flight;
  }

  over(flight) {
    this.flights.splice(this.flights.indexOf(flight), 1);
    const counts = this.current.get(flight.key) === flight;
    if (counts) this.current.delete(flight.key);
    return counts;
  }
}

async function run(cache, clock, seed) {
  const chance = chanceOf(seed);
  const pick = (list) => list[chance(list.length)];
  const model = new Model();
  const loader = gatedLoader();
  let calls = 0;
  const began = () => {
    calls += 1;
  };
  const loads = new Map();
  const callers = [];
  let lookups = 0;

  /** A caller of the real thing and of the model; what the model says it gets is noted with it. */
  const ask = (key, forced) => {
    const caller = { key, forced, expected: undefined };
    lookups += 1;
    caller.real = watched(cache.getOrLoad(key, loader, { forceRefresh: forced }));
    const before = model.flights.length;
    const entry = model.ask(caller, began);
    for (const flight of model.flights.slice(before)) loads.set(flight, calls - 1);
    if (entry !== undefined) caller.expected = { value: entry.absent ? undefined : entry.value };
    callers.push(caller);
  };
  const askAgain = (caller) => {
    const before = model.flights.length;
    const standing = model.standing(caller.key);
    if (standing === 'fresh' && !caller.forced) {
      const entry = model.entries.get(caller.key);
      caller.expected = { value: entry.absent ? undefined : entry.value };
    } else {
      model.join(caller, began);
    }
    for (const flight of model.flights.slice(before)) loads.set(flight, calls - 1);
  };

  const steps = {
    ask: () => ask(pick(KEYS), false),
    force: () => ask(pick(KEYS), true),
    get: () => {
      const key = pick(KEYS);
      lookups += 1;
      const expected = model.standing(key) === 'fresh' ? model.entries.get(key).value : undefined;
      assert.equal(cache.get(key), expected);
    },
    peek: () => {
      const key = pick(KEYS);
      const standing = model.standing(key);
      const peeked = cache.peek(key);
      if (standing === 'dead') assert.equal(peeked, undefined);
      else
        assert.deepEqual([peeked.value, peeked.fresh], [model.entries.get(key).value, standing === 'fresh']);
      assert.equal(cache.has(key), standing === 'fresh' && !model.entries.get(key).absent);
    },
    set: () => {
      const [key, value, tags] = [pick(KEYS), `set ${chance(1e6)}`, chance(2) ? [pick(TAGS)] : []];
      const ttlMs = chance(3) === 0 ? chance(50) + 1 : RULES.ttlMs;
      assert.equal(cache.set(key, value, { ttlMs, tags }), true);
      model.current.delete(key);
      model.store(key, value, { ttlMs, tags });
    },
    delete: () => {
      const key = pick(KEYS);
      const standing = model.standing(key);
      assert.equal(cache.delete(key), standing !== 'dead' && !model.entries.get(key).absent);
      model.current.delete(key);
      model.entries.delete(key);
    },
    expire: () => {
      const key = pick(KEYS);
      const fresh = model.standing(key) === 'fresh';
      assert.equal(cache.expire(key), fresh);
      model.current.delete(key);
      if (fresh) Object.assign(model.entries.get(key), { until: model.now, ended: true });
    },
    invalidate: () => {
      const tag = pick(TAGS);
      cache.invalidateTag(tag);
      model.sequence += 1;
      model.barriers.set(tag, model.sequence);
    },
    clear: () => {
      if (chance(4) > 0) return;
      cache.clear();
      model.entries.clear();
      model.current.clear();
    },
    advance: () => {
      const ms = chance(30);
      clock.advance(ms);
      model.now += ms;
    },
    finish: async () => {
      if (model.flights.length === 0) return;
      const flight = pick(model.flights);
      const nth = loads.get(flight);
      const how = pick(['value', 'value', 'value', 'tagged', 'absent', 'skip', 'fail']);
      const value = `loaded ${chance(1e6)}`;
      const tags = how === 'tagged' ? [pick(TAGS)] : [];
      const load = loader.load(nth);
      if (how === 'tagged') load.setTags(tags);
      if (how === 'fail') loader.fail(new Error(value), nth);
      else loader.finish(how === 'absent' ? load.absent : how === 'skip' ? load.skip(value) : value, nth);
      await turn();
      const counts = model.over(flight);
      const barrier = model.barrier(tags);
      const isValid = barrier <= flight.seen;
      if (how === 'fail') {
        const standing = model.standing(flight.key);
        const entry = model.entries.get(flight.key);
        if (counts && standing !== 'fresh' && standing !== 'dead')
          entry.retryAt = model.now + RULES.refreshBackoffMs;
        for (const caller of flight.callers) {
          const served = standing !== 'dead' && !entry.absent;
          caller.expected = served ? { value: entry.value } : { error: value };
        }
        return;
      }
      if (counts && isValid && how !== 'skip') {
        if (how === 'absent')
          model.store(flight.key, undefined, { ttlMs: RULES.negativeTtlMs, seen: flight.seen, absent: true });
        else model.store(flight.key, value, { tags, seen: flight.seen });
      }
      for (const caller of flight.callers) {
        if (!isValid && caller.seen > flight.seen) askAgain(caller);
        else caller.expected = { value: how === 'absent' ? undefined : value };
      }
    },
  };
  const names = Object.keys(steps).flatMap((name) =>
    ['ask', 'finish', 'advance'].includes(name) ? [name, name, name] : [name],
  );

  const done = [];
  for (let step = 0; step < STEPS; step += 1) {
    const name = pick(names);
    done.push(name);
    try {
      await steps[name]();
      await turn();
      assert.equal(loader.calls, calls, 'loads begun');
      for (const { expected, real, key } of callers) {
        if (expected === undefined) assert.equal(real.state, 'pending', key);
        else if (expected.error === undefined)
          assert.deepEqual([real.state, real.value], ['fulfilled', expected.value], key);
        else assert.deepEqual([real.state, real.error?.message], ['rejected', expected.error], key);
      }
      const snapshot = cache.snapshot();
      assert.equal(snapshot.hits + snapshot.misses, lookups);
      assert.equal(snapshot.lookups, lookups);
      assert.ok(snapshot.size <= model.entries.size);
    } catch (error) {
      error.message = `seed ${seed}, step ${step} of ${done.join(' ')}: ${error.message}`;
      throw error;
    }
  }
}

for (const [kind, make] of Object.entries(KINDS)) {
  describe(`a cache ${kind}`, () => {
    it(`does what the model does, in ${SEQUENCES} sequences of ${STEPS} calls`, async () => {
      for (let seed = 1; seed <= SEQUENCES; seed += 1) {
        await withCache(make, RULES, (cache, clock) => run(cache, clock, seed));
      }
    });
  });
}
