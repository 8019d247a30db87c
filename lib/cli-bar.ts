/** How far the command line is with a file: on a terminal, and nowhere else. */

const WIDTH = 24;
const EVERY_MS = 100;

export class Bar {
  readonly #total: number;
  #drawn = 0;
  #isThere = false;

  /** `total`: bytes; 0 where they are not known, as of a pipe. */
  constructor(total: number) {
    this.#total = total;
  }

  draw(bytes: number, lines: number, invalid: number): void {
    if (!process.stderr.isTTY || performance.now() - this.#drawn < EVERY_MS) return;
    this.#drawn = performance.now();
    this.#isThere = true;
    process.stderr.write(`\r${this.#bar(bytes)}${lines} documents, ${invalid} not valid`);
  }

  clear(): void {
    if (this.#isThere) process.stderr.write('\r\u001b[K');
    this.#isThere = false;
  }

  #bar(bytes: number): string {
    if (this.#total === 0) return '';
    // A file may grow while it is read.
    const part = Math.min(1, bytes / this.#total);
    const filled = '#'.repeat(Math.round(part * WIDTH)).padEnd(WIDTH, '.');
    return `[${filled}] ${Math.floor(part * 100)} % `;
  }
}
