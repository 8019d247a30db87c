/** Strings as bytes: JavaScript's may have half a surrogate pair, which no UTF-8 can say. */

/** What U+D800 would be if it were a character. */
const HALF = new Uint8Array([0xed, 0xa0, 0x80]);

export function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** Text as UTF-8, but for half a pair: three bytes that are no character, so it is not valid, and what is behind stays where it is. */
export function encode(text: string): Uint8Array {
  if (isWellFormed(text)) return Buffer.from(text);
  const parts = text.split(/\p{Surrogate}/u).flatMap((part) => [HALF, Buffer.from(part)]);
  return Buffer.concat(parts.slice(1));
}
