// RetryBudget: what it allows, what it counts, and how objects, policies and threads share one. The rule in full is tested in Rust.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  DisposedError,
  InvalidOptionError,
  list,
  ManualClock,
  NameConflictError,
  RetryBudget,
} from 'breakwater';
import './helpers/rejections.mjs';
import { withThreads } from './helpers/threads.mjs';

let names = 0;
/** A name that nobody else uses. */
function newName() {
  names += 1;
  return `budget.test:${names}`;
}
const inUse = (name) => list().filter((one) => one.name === name);

const deposit = (budget, times) => {
  for (let i = 0; i < times; i += 1) budget.deposit();
};
/** How many of `times` tries are allowed. */
const withdraw = (budget, times) => {
  let allowed = 0;
  for (let i = 0; i < times; i += 1) allowed += Number(budget.withdraw());
  return allowed;
};

test('by default a fifth of the calls may be retried, and ten a second beside', () => {
  const budget = new RetryBudget({ clock: new ManualClock() });
  assert.equal(withdraw(budget, 200), 100);
  deposit(budget, 1_000);
  assert.equal(withdraw(budget, 1_000), 200);
});

// Finagle, RetryBudgetTest
test('a share of ten thousand calls is exactly that share', () => {
  for (const [ratio, expected] of [
    [0.1, 1_000],
    [0.75, 7_500],
    [1, 10_000],
    [0, 0],
  ]) {
    const budget = new RetryBudget({ ratio, minPerSecond: 0, clock: new ManualClock() });
    deposit(budget, 10_000);
    assert.equal(withdraw(budget, 20_000), expected, `${ratio}`);
  }
});

// Finagle: ttl 1 s, 10 a second, no share
test('without a share it is exactly the minimum, in each window anew', () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 10, windowMs: 1_000, clock });
  deposit(budget, 1_000);
  assert.equal(withdraw(budget, 100), 10);
  clock.advance(1_000);
  assert.equal(withdraw(budget, 100), 10);
});

// tower, retry/budget/tps_budget.rs
test('calls pay as long as they are in the window', () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 0, windowMs: 1_000, clock });
  deposit(budget, 2);
  clock.advance(901);
  assert.equal(withdraw(budget, 5), 1);
  deposit(budget, 2);
  clock.advance(2_000);
  assert.equal(withdraw(budget, 5), 0);
});

test('a refusal charges nothing, and a refund allows one more', () => {
  const budget = new RetryBudget({ ratio: 0, minPerSecond: 2, windowMs: 1_000, clock: new ManualClock() });
  assert.equal(withdraw(budget, 50), 2);
  budget.refund();
  assert.equal(budget.balance, 1);
  assert.deepEqual([budget.withdraw(), budget.withdraw(), budget.balance], [true, false, 0]);
  for (let i = 0; i < 5; i += 1) budget.refund();
  assert.equal(budget.balance, 2);
});

test('the balance is how many tries would be allowed', () => {
  const budget = new RetryBudget({ ratio: 0.3, minPerSecond: 2, windowMs: 1_000, clock: new ManualClock() });
  for (const calls of [0, 1, 7, 100]) {
    deposit(budget, calls);
    const { balance } = budget;
    assert.equal(withdraw(budget, 1_000), balance);
  }
});

test('a snapshot has the rule, what is in the window, and what was since the beginning', () => {
  const clock = new ManualClock();
  const budget = new RetryBudget({ ratio: 0.5, minPerSecond: 1, windowMs: 1_000, label: 'mine', clock });
  deposit(budget, 4);
  withdraw(budget, 5);
  const rule = {
    kind: 'budget',
    name: undefined,
    label: 'mine',
    ratio: 0.5,
    minPerSecond: 1,
    windowMs: 1_000,
  };
  assert.deepEqual(budget.snapshot(), {
    ...rule,
    deposits: 4,
    withdrawals: 3,
    balance: 0,
    allowed: 3,
    refused: 2,
  });
  budget.refund();
  assert.deepEqual(budget.snapshot(), {
    ...rule,
    deposits: 4,
    withdrawals: 2,
    balance: 1,
    allowed: 3,
    refused: 2,
  });
  clock.advance(1_000);
  assert.deepEqual(budget.snapshot(), {
    ...rule,
    deposits: 0,
    withdrawals: 0,
    balance: 1,
    allowed: 3,
    refused: 2,
  });
  assert.deepEqual(JSON.parse(JSON.stringify(budget.snapshot())).balance, 1);
});

test('refusals are published on a diagnostics channel', () => {
  const published = [];
  const listener = (message) => published.push(message);
  subscribe('breakwater:budget:refused', listener);
  const options = { ratio: 0, minPerSecond: 1, windowMs: 1_000, label: 'mine', clock: new ManualClock() };
  withdraw(new RetryBudget(options), 3);
  unsubscribe('breakwater:budget:refused', listener);
  const refusal = { kind: 'budget', primitive: 'mine', dryRun: false };
  assert.deepEqual(published, [refusal, refusal]);
});

test('reconfigure changes the shares over what was counted, and not the window', () => {
  const budget = new RetryBudget({ ratio: 0.1, minPerSecond: 0, windowMs: 1_000, clock: new ManualClock() });
  deposit(budget, 100);
  assert.equal(withdraw(budget, 100), 10);
  budget.reconfigure({ ratio: 0.5 });
  assert.equal(withdraw(budget, 100), 40);
  budget.reconfigure({ minPerSecond: 5, ratio: undefined });
  assert.equal(withdraw(budget, 100), 5);
  budget.reconfigure({});
  for (const [option, value] of [
    ['windowMs', 2_000],
    ['windowMs', 1_000],
    ['ratio', 1.5],
    ['minPerSecond', -1],
    ['name', 'other'],
    ['ratio', '0.5'],
  ]) {
    assert.throws(() => budget.reconfigure({ [option]: value }), { code: 'ERR_INVALID_OPTION', option });
  }
  for (const options of [undefined, null, 5, []])
    assert.throws(() => budget.reconfigure(options), InvalidOptionError);
  const { ratio, minPerSecond, windowMs } = budget.snapshot();
  assert.deepEqual({ ratio, minPerSecond, windowMs }, { ratio: 0.5, minPerSecond: 5, windowMs: 1_000 });
});

test('checks its options', () => {
  const before = list();
  const wrong = {
    ratio: [-0.1, 1.1, Number.NaN, Infinity, '0.2', null, 5n],
    minPerSecond: [-1, 1_000_001, Number.NaN, Infinity, '10', null],
    windowMs: [0, 99, 86_400_001, Number.NaN, '10', null],
    name: ['', 'n'.repeat(129), 5, null, {}],
    label: [5, null, {}],
    clock: [5, null, {}, new Date()],
    dryRun: [true],
    seed: [5],
    percent: [20],
  };
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => new RetryBudget({ name: newName(), [option]: value }),
        (error) => error instanceof InvalidOptionError && error.option === option,
        `${option}: ${inspect(value)}`,
      );
    }
  }
  for (const options of [null, 5, 'options', [], () => {}])
    assert.throws(() => new RetryBudget(options), InvalidOptionError);
  assert.deepEqual(list(), before);
  assert.throws(() => new RetryBudget({ ratio: 1.1 }), {
    message: 'ratio must be a number from 0 to 1, got 1.1',
  });
  const undefinedOptions = {
    ratio: undefined,
    minPerSecond: undefined,
    windowMs: undefined,
    name: undefined,
  };
  assert.equal(new RetryBudget(undefinedOptions).balance, 100);
  assert.equal(new RetryBudget().balance, 100);
});

test('its methods are its own alone', () => {
  const { deposit, withdraw, refund, reconfigure, snapshot, dispose } = RetryBudget.prototype;
  for (const method of [deposit, withdraw, refund, reconfigure, snapshot, dispose]) {
    for (const self of [undefined, {}, Object.create(RetryBudget.prototype)]) {
      assert.throws(() => method.call(self, {}), { code: 'ERR_INVALID_OPTION', option: 'this' });
    }
  }
});

test('objects of one name are one budget', () => {
  const clock = new ManualClock();
  const options = { name: newName(), ratio: 0, minPerSecond: 3, windowMs: 1_000, clock };
  const [one, other] = [new RetryBudget(options), new RetryBudget({ ...options, label: 'mine' })];
  const found = RetryBudget.find(options.name);
  assert.ok(found instanceof RetryBudget);
  assert.deepEqual(
    [one.withdraw(), other.withdraw(), found.withdraw(), one.withdraw()],
    [true, true, true, false],
  );
  assert.deepEqual(found.snapshot(), { ...other.snapshot(), label: undefined });
  one.reconfigure({ minPerSecond: 4 });
  assert.equal(other.balance, 1);
  assert.deepEqual(inUse(options.name), [{ kind: 'budget', name: options.name }]);
  one.dispose();
  other.dispose();
  assert.equal(found.balance, 1);
  found.dispose();
  assert.deepEqual([inUse(options.name), RetryBudget.find(options.name)], [[], undefined]);
});

test('a name with other options is a conflict that names the option', () => {
  const name = newName();
  const clock = new ManualClock();
  const options = { name, ratio: 0.3, minPerSecond: 5, windowMs: 2_000, clock };
  const budget = new RetryBudget(options);
  for (const [option, value] of [
    ['ratio', 0.4],
    ['ratio', undefined],
    ['minPerSecond', 6],
    ['windowMs', 3_000],
    ['clock', new ManualClock()],
    ['clock', undefined],
  ]) {
    assert.throws(
      () => new RetryBudget({ ...options, [option]: value }),
      (error) => error instanceof NameConflictError && error.option === option && error.primitive === name,
      option,
    );
  }
  budget.dispose();
  new RetryBudget({ name }).dispose();
  const filledIn = [
    new RetryBudget({ name }),
    new RetryBudget({ name, ratio: 0.2, minPerSecond: 10, windowMs: 10_000 }),
  ];
  for (const one of filledIn) one.dispose();
});

test('after dispose every call throws, and a second dispose does nothing', () => {
  const budget = new RetryBudget({ label: 'mine' });
  budget.dispose();
  budget.dispose();
  budget[Symbol.dispose]();
  for (const call of [
    () => budget.deposit(),
    () => budget.withdraw(),
    () => budget.refund(),
    () => budget.balance,
    () => budget.snapshot(),
    () => budget.reconfigure({ ratio: 0.5 }),
  ]) {
    assert.throws(call, (error) => error instanceof DisposedError && error.primitive === 'mine');
  }
});

test('find wants a name', () => {
  for (const name of [undefined, null, 5, {}])
    assert.throws(() => RetryBudget.find(name), { option: 'name' });
  assert.equal(RetryBudget.find(newName()), undefined);
});

test('four threads get exactly what one budget allows', async () => {
  await withThreads(4, async (threads) => {
    const options = { name: newName(), ratio: 0.25, minPerSecond: 0, windowMs: 86_400_000 };
    const open = ({ RetryBudget }, kept, options) => {
      kept.budget = new RetryBudget(options);
    };
    await Promise.all(threads.map((thread) => thread.run(open, options)));
    const use = (_, { budget }) => {
      for (let i = 0; i < 1_000; i += 1) budget.deposit();
      let allowed = 0;
      for (let i = 0; i < 1_000; i += 1) if (budget.withdraw()) allowed += 1;
      return allowed;
    };
    await Promise.all(threads.map((thread) => thread.run(use)));
    const budget = RetryBudget.find(options.name);
    // Some may have asked before others had called; now all calls are counted.
    withdraw(budget, 4_000);
    const { deposits, withdrawals, balance, allowed } = budget.snapshot();
    assert.deepEqual(
      { deposits, withdrawals, balance, allowed },
      { deposits: 4_000, withdrawals: 1_000, balance: 0, allowed: 1_000 },
    );
    budget.dispose();
    assert.deepEqual(inUse(options.name).length, 1);
  });
});

test('a thread that ends leaves what it charged, and lets go of the name', async () => {
  const options = { name: newName(), ratio: 0, minPerSecond: 10, windowMs: 1_000 };
  const clock = new ManualClock({ name: options.name });
  const budget = new RetryBudget({ ...options, clock });
  await withThreads(1, async ([thread]) => {
    const charge = ({ RetryBudget, ManualClock }, _, options) => {
      const clock = new ManualClock({ name: options.name });
      const budget = new RetryBudget({ ...options, clock });
      return [budget.withdraw(), budget.withdraw()];
    };
    assert.deepEqual(await thread.run(charge, options), [true, true]);
    await thread.end();
  });
  assert.deepEqual([budget.balance, budget.snapshot().allowed], [8, 2]);
  budget.dispose();
  assert.equal(RetryBudget.find(options.name), undefined);
});
