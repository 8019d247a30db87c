/**
 * This thread's side of the binding: its mailbox, its result registers, and the objects whose native part has to be let go.
 * Nothing here exists before the first constructor runs.
 */
import type { Native } from './binding.js';
import { load } from './native.js';

/** Mail, as the registers hold it: what, for which state, for which ticket. */
const OFFER = 0;
const REFUSED = 1;
const REPLAN = 2;
const ADVANCED = 3;
const CHANGED = 4;
const EVICTED = 5;
const TOO_LATE = 6;
const DONE = 7;

/** What became of a waiter: it was served, or sent away as it can never be, as the line was full, or as it waited too long. */
export type Fate = 'served' | 'never' | 'evicted' | 'late';

const FATES: Readonly<Record<number, Fate>> = {
  [OFFER]: 'served',
  [REFUSED]: 'never',
  [EVICTED]: 'evicted',
  [TOO_LATE]: 'late',
};

/** Whoever waits for mail about a state. */
export interface Listener {
  onTicket?(ticket: number, fate: Fate): void;
  /** The head of the line is due earlier than it was. */
  onReplan?(): void;
  /** Another thread advanced the clock. */
  onAdvanced?(): void;
  /** The state has changed. */
  onChanged?(): void;
  /** A job beside the event loop is done. */
  onDone?(job: number): void;
}

/** The kinds that have a native part. */
export type NativeKind =
  | 'bucket'
  | 'limiter'
  | 'breaker'
  | 'backoff'
  | 'budget'
  | 'throttle'
  | 'bulkhead'
  | 'monitor'
  | 'shedder'
  | 'schema'
  | 'queue'
  | 'cache'
  | 'residents'
  | 'clock';

/** This thread's side of the binding. */
export interface Host {
  readonly id: number;
  readonly native: Native;
  readonly registers: Float64Array;
  /** The event loop's sign of life. 1: an interval is over, and is to be marked; -1: there is no monitor any more. */
  beat(): -1 | 0 | 1;
  /** Ends the intervals that are over, with what the runtime says of the loop's use. */
  mark(activeMs: number, idleMs: number): void;
}

const listeners = new Map<number, Set<Listener>>();
let current: OpenHost | undefined;
let collections: FinalizationRegistry<{ readonly kind: NativeKind; readonly handle: number }> | undefined;

/** This thread's side, opened by the first call. */
export function host(): Host {
  current ??= open();
  return current;
}

/** What only this file sees of it. */
interface OpenHost extends Host {
  drain(): number;
  keepAlive(alive: 0 | 1): void;
  awaited: number;
}

function open(): OpenHost {
  const native = load();
  const { id, registers, functions } = native.openHost(readMail);
  collections = new FinalizationRegistry(({ kind, handle }) => native.collected(id, kind, handle));
  return { id, native, registers, ...functions, awaited: 0 };
}

/** Reads all mail there is. Runs when another thread wakes this one, and after calls that may have sent mail to this thread. */
export function readMail(): void {
  if (current === undefined) return;
  const { drain, registers } = current;
  for (let count = drain(); count > 0; count = drain()) {
    // Copied first: a listener may make native calls that write the registers.
    const mail = registers.slice(0, 3 * count);
    for (let at = 0; at < mail.length; at += 3) {
      dispatch(mail[at] as number, mail[at + 1] as number, mail[at + 2] as number);
    }
  }
}

function dispatch(what: number, state: number, ticket: number): void {
  const those = listeners.get(state);
  if (those === undefined) return;
  for (const listener of [...those]) {
    const fate = FATES[what];
    if (fate !== undefined) listener.onTicket?.(ticket, fate);
    else if (what === REPLAN) listener.onReplan?.();
    else if (what === ADVANCED) listener.onAdvanced?.();
    else if (what === CHANGED) listener.onChanged?.();
    else if (what === DONE) listener.onDone?.(ticket);
  }
}

/** Tells this thread's listeners that a call of this thread has changed a state. Other threads get mail. */
export function changed(state: number): void {
  dispatch(CHANGED, state, 0);
}

/** Mail for someone is awaited (1) or no more (-1): as long as it is, the process stays alive. */
export function keepAlive(change: 1 | -1): void {
  if (current === undefined) return;
  const before = current.awaited;
  current.awaited += change;
  if (before === 0 || current.awaited === 0) current.keepAlive(current.awaited > 0 ? 1 : 0);
}

/** Sends mail about a state to `listener` from now on. */
export function listen(state: number, listener: Listener): void {
  const those = listeners.get(state);
  if (those === undefined) listeners.set(state, new Set([listener]));
  else those.add(listener);
}

/** Ends `listen`. Answers whether nobody in this thread listens any more. */
export function unlisten(state: number, listener: Listener): boolean {
  const those = listeners.get(state);
  if (those?.delete(listener) && those.size === 0) listeners.delete(state);
  return !listeners.has(state);
}

/** Lets go of the native part of `object` once it was collected. */
export function collectWith(object: object, kind: NativeKind, handle: number): void {
  collections?.register(object, { kind, handle });
}

/** A name in use. */
export interface NameInUse {
  readonly kind: NativeKind;
  readonly name: string;
}

/** All names in use in this process, over all threads: one entry for each kind and name. */
export function list(): NameInUse[] {
  return host().native.listNames() as NameInUse[];
}
