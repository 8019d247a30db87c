/** Retries as many services have them: a loop. No pause, no time limit, no end while the upstream is down. */
import { MAX_ATTEMPTS } from '../scenario.mjs';

export async function threeAttempts(call) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call({});
    } catch (error) {
      if (attempt === MAX_ATTEMPTS) throw error;
    }
  }
}
