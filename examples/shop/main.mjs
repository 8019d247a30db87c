/** `npm run demo`: a small shop on Fastify and on Express, without protection and with it; then what fails, crowds and hostile bodies. */
import { checkCrowd, printCrowd, tellCrowd } from './crowd/report.mjs';
import { runCrowd } from './crowd/run.mjs';
import { watchMachine } from './machine.mjs';
import { checkOrder, printOrder, tellOrder } from './order/report.mjs';
import { runOrder } from './order/run.mjs';
import { printPage } from './page/report.mjs';
import { runPage } from './page/run.mjs';
import { checkPage, tellPage } from './page/story.mjs';
import { printTables } from './report.mjs';
import { run } from './run.mjs';
import {
  CLIENT_LIMITS,
  CROWD,
  ORDERS,
  PAGE_CACHE,
  PAGE_THREADS,
  PAGE_UPSTREAM,
  REPORT,
  SHOP_THREADS,
  UPSTREAM_BUDGET,
  UPSTREAM_PER_SECOND,
  WEATHER,
} from './scenario.mjs';
import { printStorm } from './storm/report.mjs';
import { runStorm } from './storm/run.mjs';
import { checkStorm, tellStorm } from './storm/story.mjs';
import { checkLimits, tellStory } from './story.mjs';
import { bold, dim, say, tell } from './terminal.mjs';
import { readTrace } from './trace.mjs';

const FRAMEWORKS = { fastify: 'Fastify', express: 'Express' };

/** What stands around a call upstream knows no framework: one is enough to show it. */
const STORM_FRAMEWORK = 'fastify';

const trace = readTrace();
const limits = CLIENT_LIMITS.map(({ limit, windowMs }) => `${limit} in ${windowMs / 1000} s`).join(' and ');
const { refillPerSecond } = UPSTREAM_BUDGET;
say(bold('A small shop, an upstream that bears so much and no more, and the waves'));
tell(
  `The upstream answers ${UPSTREAM_PER_SECOND} calls a second; one in 50 fails. The shop runs on ${SHOP_THREADS} threads. ` +
    `Protected, a client gets ${limits}, and the upstream ${refillPerSecond} calls a second, over both threads.`,
);
tell(
  'The wave is how long the unluckiest of the regulars waited in each fifth of a second, from 15 ms (▁) to 2 s (█); ' +
    'in and out are requests admitted and refused, queue is who waits at the upstream.',
  dim,
);

const shareOfOthers = watchMachine();
const pairs = [];
for (const [framework, title] of Object.entries(FRAMEWORKS)) {
  const play = (guarded) => {
    say();
    say(`${bold(title)}, ${guarded ? 'protected' : 'unprotected'}`);
    return run({ framework, guarded, trace });
  };
  pairs.push({ title, bare: await play(false), guarded: await play(true) });
}
say();
printTables(pairs);
say();
say(bold('The same shop, and the upstream slows and fails'));
const { errorRatio, slowRatio, slowMs } = WEATHER.rough;
tell(
  'What stands around the calls upstream differs; in front of the shop is nothing, and only regulars come. All five run at once, ' +
    `each with an upstream of its own and all in the same weather: rough, where one call in ${Math.round(1 / errorRatio)} fails and ` +
    `one in ${Math.round(1 / slowRatio)} is answered ${slowMs / 1000} s late; an outage, where every call fails; and after it. The ` +
    'first wave is as above, with × where most failed; in the second █ is three calls upstream for each request.',
  dim,
);
const ways = await runStorm({ framework: STORM_FRAMEWORK, trace });
say();
printStorm(ways);
say();
say(bold('More than one thread can do'));
tell(
  `One thread makes reports, each in slices of ${REPORT.sliceMs} ms. First it is found out how many a second; then ${CROWD.times} times ` +
    `as many are asked for, by clients who give up after ${CROWD.patienceMs / 1000} s.`,
  dim,
);
const crowd = await runCrowd();
say();
printCrowd(crowd);
say();
say(bold('The page that everybody asks for'));
tell(
  `A sale, and the crowd asks for a few products. The shop runs on ${PAGE_THREADS} threads; the upstream answers ` +
    `${(PAGE_UPSTREAM.slots * 1000) / PAGE_UPSTREAM.serviceMs} calls a second, lets ${PAGE_UPSTREAM.mostWaiting} wait and refuses more. ` +
    `What it said is good for ${PAGE_CACHE.ttlMs / 1000} s, and for ${PAGE_CACHE.staleIfErrorMs / 1000} s more while it fails. ` +
    'All three shops run at once.',
  dim,
);
const pages = await runPage();
say();
printPage(pages);
say();
say(bold('The orders that are costly to refuse'));
tell(
  `Customers send ${ORDERS.perSecond} orders a second, and one client ${ORDERS.hostilePerSecond} other bodies, in turn: a discount code ` +
    'that is nearly right, which its pattern tries to match in all ways there are; bundles in bundles, each of which fits two branches of ' +
    'a union; lines of which uniqueItems compares each with each; and lines that lack everything. The shop has one thread and one schema ' +
    "for all that: validated, once the body is parsed, by Fastify's ajv, which tells all errors or the first; and, as bytes, by validate.",
  dim,
);
const orders = await runOrder();
say();
printOrder(orders);
const others = shareOfOthers();
if (others > 0.2) {
  tell(
    `Other programs took ${(100 * others).toFixed(0)} % of the processors meanwhile: the latencies include that, and calls may have ` +
      'timed out for it.',
    dim,
  );
}
say();
say(bold('What happened'));
tellStory(pairs);
tellStorm(ways);
tellCrowd(crowd);
tellPage(pages);
tellOrder(orders);
say();
say(bold('Two threads, one limit, budget and breaker; one bulkhead; four threads, one cache; and verdicts'));
const kept = [checkLimits(pairs), checkStorm(ways), checkCrowd(crowd), checkPage(pages), checkOrder(orders)];

// These are exact whatever the machine does: more than is allowed, or a wrong verdict, is a defect, and nothing else fails the demo.
if (!kept.every(Boolean)) process.exitCode = 1;
