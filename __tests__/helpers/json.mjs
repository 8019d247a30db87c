/** JSON as text: where its values stand, and changes to them. */

/** A stream of chances that gives the same again. */
export function chances(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Each value of a text that is JSON, as it is written: `{ text, elements? , members? }`. JSON.parse would make 1 of 1.0, and rounds what
 * has more digits than a double.
 */
export function written(text) {
  let at = 0;
  const space = () => {
    while (' \n\r\t'.includes(text[at] ?? 'x')) at += 1;
  };
  const string = () => {
    const start = at;
    for (at += 1; text[at] !== '"'; at++) if (text[at] === '\\') at += 1;
    at += 1;
    return text.slice(start, at);
  };
  /** What stands between brackets; `read` reads one of it. */
  const list = (end, read) => {
    at += 1;
    space();
    while (text[at] !== end) {
      read();
      space();
      if (text[at] === ',') at += 1;
      space();
    }
    at += 1;
  };
  const value = () => {
    space();
    const start = at;
    const found = {};
    if (text[at] === '{') {
      found.members = new Map();
      list('}', () => {
        const name = JSON.parse(string());
        space();
        at += 1;
        found.members.set(name, value());
      });
    } else if (text[at] === '[') {
      found.elements = [];
      list(']', () => found.elements.push(value()));
    } else if (text[at] === '"') string();
    else while (at < text.length && !',]} \n\r\t'.includes(text[at])) at += 1;
    return { ...found, text: text.slice(start, at) };
  };
  return value();
}

const VALUES = [
  ...[null, true, false, 0, -1, 1, 2, 3.5, 0.1, 19.99, 65_536, 1e21, 2 ** 53 + 2],
  ...['', 'x', 'a/b', 'é🦀', 'toString', '^[a-z]+$', 'https://example.com/a?b#c', 'a@example.com', '1.2.3'],
  ...['2026-11-28', '2026-11-28T20:00:00Z', '*', './x', 'x'.repeat(300)],
  ...[[], {}, [1, 1], ['a', 'b'], [[]], { a: 1 }, [{}]],
];

/** What a schema speaks of: names of members, and values. */
export function spokenOf(schema) {
  const names = new Set(['x', 'new name', 'toString', 'constructor']);
  const values = [...VALUES];
  const walk = (part) => {
    if (typeof part !== 'object' || part === null) return;
    for (const [word, inner] of Object.entries(part)) {
      if (word === 'properties' && inner !== null) for (const name of Object.keys(inner)) names.add(name);
      if (word === 'enum' && Array.isArray(inner)) values.push(...inner);
      if (['const', 'default'].includes(word)) values.push(inner);
      if (word === 'examples' && Array.isArray(inner)) values.push(...inner);
      walk(inner);
    }
  };
  walk(schema);
  return { names: [...names], values };
}

/** The same document with one to three things changed: a member or an element gone, new, doubled or of another value. */
export function mutated(document, { names, values }, chance) {
  const box = { document: structuredClone(document) };
  const pick = (list) => list[chance(list.length)];
  for (let left = Math.max(1, chance(5) - 1); left > 0; left--) {
    const places = [];
    const walk = (holder) => {
      for (const key of Object.keys(holder)) {
        places.push([holder, key]);
        if (typeof holder[key] === 'object' && holder[key] !== null) walk(holder[key]);
      }
    };
    walk(box);
    const [holder, key] = pick(places);
    const value = holder[key];
    const inner = typeof value === 'object' && value !== null;
    // A name of Object.prototype becomes a member as any other.
    const put = (into, name, what) =>
      Object.defineProperty(into, name, {
        value: structuredClone(what),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    switch (chance(7)) {
      case 0:
        if (holder === box) break;
        if (Array.isArray(holder)) holder.splice(Number(key), 1);
        else delete holder[key];
        break;
      case 1:
        if (inner && !Array.isArray(value)) put(value, pick(names), pick(values));
        else if (inner) value.push(structuredClone(pick(values)));
        else if (typeof value === 'string')
          put(holder, key, value + pick(['', ' ', 'x', '/', '1', 'é', '\n']));
        else if (typeof value === 'number') put(holder, key, value + pick([1, -1, 0.5, 0.001, 1e6]));
        break;
      case 2:
        if (Array.isArray(value) && value.length > 0) value.push(structuredClone(pick(value)));
        else if (inner) put(value, pick(names), pick(values));
        break;
      case 3: {
        const [other, name] = pick(places);
        put(holder, key, other[name]);
        break;
      }
      case 4:
        put(holder, key, [value]);
        break;
      default:
        put(holder, key, pick(values));
    }
  }
  return box.document;
}

/** Another spelling of a text, or something that is no JSON any more. */
export function respelled(text, chance) {
  const pick = (list) => list[chance(list.length)];
  const somewhere = (pattern, change) => {
    const found = [...text.matchAll(pattern)];
    if (found.length === 0) return text;
    const { 0: whole, index } = pick(found);
    return text.slice(0, index) + change(whole) + text.slice(index + whole.length);
  };
  const number = /(?<=[:,[])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=[,\]}])/g;
  switch (chance(9)) {
    case 0:
      return somewhere(number, (digits) =>
        /[.e]/.test(digits) ? digits : `${digits}${pick(['.0', 'e0', 'E+0', '.00'])}`,
      );
    case 1:
      return somewhere(number, () =>
        pick([
          '-0',
          '1e400',
          '-1e999',
          '1e-400',
          '9007199254740993',
          '1e2',
          '123456789012345678901234567890',
        ]),
      );
    case 2:
      return somewhere(
        /(?<=[{,])"(?:[^"\\]|\\.)*":/g,
        (name) => `${name}${pick(['1', 'null', '"x"', '{}'])},${name}`,
      );
    case 3:
      return somewhere(
        /(?<=")[a-z](?=[a-z]*")/gi,
        (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    case 4:
      return somewhere(
        /(?<=[^\\])"(?=[,\]}])/g,
        (quote) => `${pick(['\\ud83e\\udd80', '\\ud83e', '\\udd80', '\\n'])}${quote}`,
      );
    case 5:
      return somewhere(/[,:[\]{}]/g, (sign) => ` \n${sign}\t\r`);
    case 6:
      return text.slice(0, chance(text.length));
    case 7:
      return somewhere(/[,:[\]{}"]/g, () => pick([',', ':', '"', '', '\\', '\u0001']));
    default:
      return pick(['\ufeff', '\u00a0', '[', '']) + text + pick(['', ']', '\0', ' ', ',']);
  }
}
