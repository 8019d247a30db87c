// cacheResponse and the finer points of HTTP: dates and ages.
import assert from 'node:assert/strict';
import './helpers/rejections.mjs';
import { all } from './helpers/responses.mjs';

const KEPT = { 'cache-control': 'max-age=60' };
const inSeconds = (s) => new Date(Date.now() + s * 1_000).toUTCString();

all('a response is as old as its Date says, and Expires ends it where it says', async (serve, made) => {
  const { cache } = made();
  const responses = {
    '/upstream': [{ ...KEPT, date: inSeconds(-45) }, /hit; ttl=1[45]$/],
    '/older': [{ ...KEPT, date: inSeconds(-45), age: '50' }, /hit; ttl=10$/],
    '/ages': [{ ...KEPT, age: '50, 3' }, /hit; ttl=10$/],
    '/ahead': [{ ...KEPT, date: inSeconds(45) }, /hit; ttl=60$/],
    '/expired': [{ date: inSeconds(-3_600), expires: inSeconds(-1_800) }, /bypass/],
    '/expires': [{ date: inSeconds(-3_600), expires: inSeconds(1_800) }, /hit; ttl=(1799|1800)$/],
  };
  await serve(
    { cache },
    (req) => ({ headers: responses[req.url][0] }),
    async (ask) => {
      for (const [path, [, said]] of Object.entries(responses)) {
        await ask(path);
        assert.match((await ask(path)).said, said, path);
      }
      assert.match((await ask('/upstream')).headers.age, /^4[56]$/);
    },
  );
});

all('what is no date of HTTP has expired, and is no condition', async (serve, made) => {
  const { cache } = made();
  const answer = (req) => ({
    headers: { expires: decodeURIComponent(req.url.slice(1)), 'last-modified': inSeconds(-60) },
  });
  await serve({ cache }, answer, async (ask) => {
    const dates = {
      'Fri, 01 Jan 2100 00:00:00 GMT': true,
      'Thursday, 01-Jan-60 00:00:00 GMT': true,
      'Fri Jan  1 00:00:00 2100': true,
      'Friday, 01-Jan-99 00:00:00 GMT': false,
      'Fri, 01 Jan 2100 00:00:00': false,
      'Fri, 01 Jan 2100 00:00:00 +0000': false,
      'Fri, 32 Jan 2100 00:00:00 GMT': false,
      'Fri, 01 Foo 2100 00:00:00 GMT': false,
      '2100-01-01T00:00:00Z': false,
      2100: false,
      '-1': false,
    };
    for (const [date, isOne] of Object.entries(dates)) {
      const path = `/${encodeURIComponent(date)}`;
      await ask(path);
      assert.equal(/hit/.test((await ask(path)).said), isOne, date);
    }
    const kept = `/${encodeURIComponent('Fri, 01 Jan 2100 00:00:00 GMT')}`;
    for (const [date, isOne] of Object.entries(dates)) {
      const expected = isOne ? 304 : 200;
      if (!date.includes('-99')) {
        assert.equal((await ask(kept, { 'if-modified-since': date })).status, expected, date);
      }
    }
  });
});
