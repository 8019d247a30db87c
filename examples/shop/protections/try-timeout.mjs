/** A deadline for each call upstream: what is late is ended, and whoever retries around it may try again. */
import { timeout } from 'breakwater';
import { TRY_TIMEOUT_MS } from '../scenario.mjs';

export function tryTimeout() {
  return { upstream: timeout({ ms: TRY_TIMEOUT_MS }) };
}
