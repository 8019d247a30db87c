/** Documents validated beside the event loop: one promise for each job of one schema, settled by mail. */
import type { SchemaFunctions } from './binding-schema.js';
import { type ErrorDetails, QueueFullError } from './errors.js';
import { keepAlive, type Listener, listen, unlisten } from './host.js';

/** What is wanted of a document: what `validate`, `parse` or `open` answer, or the verdicts of its lines. */
export const AS_VERDICT = 0;
export const AS_TEXT = 1;
export const AS_DOCUMENT = 2;
export const AS_LINES = 3;

/** Native answers where there is no job. */
export const BUSY = -3;
const BROKEN = -4;

/** How a job is finished, in the turn in which mail of it is read. */
type Finish = () => void;

/** The jobs of one schema in this thread. */
export class SchemaJobs {
  readonly #functions: SchemaFunctions;
  readonly #state: number;
  readonly #details: ErrorDetails;
  readonly #waiting = new Map<number, Finish>();
  readonly #listener: Listener = { onDone: (job) => this.#onDone(job) };

  constructor(functions: SchemaFunctions, state: number, details: ErrorDetails) {
    this.#functions = functions;
    this.#state = state;
    this.#details = details;
  }

  /**
   * What `finish` makes of the outcome. `submit` answers the number of the job, or below 2 why there is none, which `finish` gets.
   * @throws {QueueFullError} as a rejection.
   */
  run<Answer, R>(
    submit: () => number,
    finish: (answer: Answer) => R,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const job = submit();
      if (job === BUSY) {
        return reject(new QueueFullError('too many documents wait to be validated', this.#details));
      }
      if (job < 2) return resolve(finish(job as Answer));
      const onAbort = (): void => {
        this.#functions.forget(job);
        this.#leave(job);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      if (this.#waiting.size === 0) {
        listen(this.#state, this.#listener);
        keepAlive(1);
      }
      this.#waiting.set(job, () => {
        signal?.removeEventListener('abort', onAbort);
        try {
          const answer = this.#functions.take(job);
          if (answer === BROKEN) throw new Error('breakwater panicked while it validated a document');
          resolve(finish(answer as Answer));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #onDone(job: number): void {
    const finish = this.#waiting.get(job);
    if (finish === undefined) return;
    this.#leave(job);
    finish();
  }

  #leave(job: number): void {
    this.#waiting.delete(job);
    if (this.#waiting.size > 0) return;
    unlisten(this.#state, this.#listener);
    keepAlive(-1);
  }
}
