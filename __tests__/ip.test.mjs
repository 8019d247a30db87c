import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import { ipKey } from 'breakwater/express';
import * as fastify from 'breakwater/fastify';

/** Asserts the key of every address in `table`. */
function keys(table, prefix) {
  for (const [address, key] of Object.entries(table)) assert.equal(ipKey(address, prefix), key, address);
}

test('an IPv4 address is its own key', () => {
  keys({ '1.2.3.4': '1.2.3.4', '0.0.0.0': '0.0.0.0', '255.255.255.255': '255.255.255.255' });
  assert.equal(ipKey('1.2.3.4', 32), '1.2.3.4');
});

test('an IPv4 client has one key however its address is mapped into IPv6', () => {
  keys({
    '::ffff:1.2.3.4': '1.2.3.4',
    '::ffff:102:304': '1.2.3.4',
    '::FFFF:0102:0304': '1.2.3.4',
    '0:0:0:0:0:ffff:1.2.3.4': '1.2.3.4',
    '0000:0000:0000:0000:0000:ffff:0102:0304': '1.2.3.4',
    '::ffff:c000:0201': '192.0.2.1',
    '[::ffff:1.2.3.4]:80': '1.2.3.4',
  });
  assert.equal(ipKey('::ffff:102:304', 32), '1.2.3.4');
  assert.equal(ipKey('::ffff:102:304', 128), '1.2.3.4');
});

test('two mapped clients do not share a key', () => {
  assert.notEqual(ipKey('::ffff:203.0.113.1'), ipKey('::ffff:203.0.113.2'));
});

test('an IPv6 address that only ends in dots stays IPv6', () => {
  keys({
    '2001:db8:1234:5678::1.2.3.4': '2001:db8:1234:5678::/64',
    '2001:db8::1.2.3.4': '2001:db8::/64',
    '64:ff9b::1.2.3.4': '64:ff9b::/64',
    '::1.2.3.4': '::/64',
    '::102:304': '::/64',
    '::fffe:1.2.3.4': '::/64',
    '1::ffff:1.2.3.4': '1::/64',
    '::ffff:0:1.2.3.4': '::/64',
  });
  assert.equal(ipKey('2001:db8:1234:5678::1.2.3.4'), ipKey('2001:db8:1234:5678::102:304'));
});

test('all addresses of one /64 have one key', () => {
  keys({
    '2001:0DB8:ABCD:0012::1': '2001:db8:abcd:12::/64',
    '2001:db8:abcd:12:ffff:ffff:ffff:ffff': '2001:db8:abcd:12::/64',
    '2001:db8:abcd:13::1': '2001:db8:abcd:13::/64',
    '::1': '::/64',
    '::': '::/64',
    '123:ABC::89': '123:abc::/64',
    '0:0:0:1::2': '0:0:0:1::/64',
  });
});

test('the prefix can be any number of bits from 1 to 128', () => {
  const address = '0123:4567:89ab:cdef:0123:4567:89ab:cdef';
  const cut = (prefix) => ipKey(address, prefix);
  assert.equal(cut(56), '123:4567:89ab:cd00::/56');
  assert.equal(cut(63), '123:4567:89ab:cdee::/63');
  assert.equal(cut(48), '123:4567:89ab::/48');
  assert.equal(cut(80), '123:4567:89ab:cdef:123::/80');
  assert.equal(cut(127), '123:4567:89ab:cdef:123:4567:89ab:cdee/127');
  assert.equal(cut(128), '123:4567:89ab:cdef:123:4567:89ab:cdef');
  assert.equal(ipKey('ffff::', 1), '8000::/1');
});

test('refuses a prefix that is none, whatever the address', () => {
  for (const prefix of [0, 129, -1, 56.5, NaN, '64', null]) {
    assert.throws(() => ipKey('1.2.3.4', prefix), { code: 'ERR_INVALID_OPTION', option: 'prefix' });
  }
});

test('ports, brackets and zones are left out', () => {
  keys({
    '203.0.113.7:4711': '203.0.113.7',
    '[2001:db8::1]': '2001:db8::/64',
    '[2001:db8::1]:443': '2001:db8::/64',
    'fe80::1%eth0': 'fe80::/64',
    'fe80::1%25eth0': 'fe80::/64',
    '[fe80::1%eth0]:443': 'fe80::/64',
    '::ffff:1.2.3.4%eth0': '1.2.3.4',
  });
});

test('what is no address has the one key "unknown"', () => {
  for (const address of [
    undefined,
    null,
    7,
    {},
    '',
    ' ',
    'localhost',
    'unknown',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1..2.3',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4:',
    '1.2.3.4:x',
    '1.2.3.4:123456',
    '1.2.3.4%eth0',
    ':',
    ':::',
    '1:2',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    '1:2:3:4:5:6:7:',
    ':1:2:3:4:5:6:7',
    '::1.2.3',
    '::1.2.3.4.5',
    '::1.2.3.4:5',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    '[::1',
    '[::1]x',
    '[::1]:',
    '[]',
    '[%]',
    '%',
    '::ffff:1.2.3.256',
    '::ffff:01.2.3.4',
  ]) {
    assert.equal(ipKey(address), 'unknown', String(address));
  }
});

test('agrees with node:net on what an address is, and with URL on how it is written', () => {
  // A fixed sequence of texts near the border of the grammar.
  let seed = 20250923;
  const next = (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >>> 8) % n;
  };
  const parts = [
    '0',
    '1',
    'ffff',
    'a',
    'DB8',
    '2001',
    '::',
    ':',
    '1.2.3.4',
    '255',
    '00ab',
    '12345',
    'g',
    '.',
    '::ffff:',
    '0:0',
  ];
  let valid = 0;
  for (let i = 0; i < 100_000; i++) {
    let text = '';
    for (let j = next(16); j >= 0; j--)
      text += j % 2 ? (next(5) ? ':' : parts[next(parts.length)]) : parts[next(parts.length)];
    if (/^[\d.]+:\d+$/.test(text)) continue; // an address with a port to us, and nothing to node:net
    const family = isIP(text);
    const key = ipKey(text, 128);
    assert.equal(key !== 'unknown', family !== 0, text);
    if (family === 0) continue;
    valid++;
    // Bun 1.4 refuses some URLs whose address ends in dots.
    if (family === 6 && !text.includes('.') && !key.includes('.'))
      assert.equal(`[${key}]`, new URL(`http://[${text}]/`).hostname, text);
  }
  assert.ok(valid > 1_000, `${valid} valid addresses tried`);
});

test('both frameworks have the same function', () => {
  assert.equal(fastify.ipKey, ipKey);
});
