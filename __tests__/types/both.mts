/** `import` and `require` see one class: an instance of either is accepted where the other is asked for. */
import { RateLimiter } from 'breakwater';
import { accept, limiter } from './require.cjs';

export const required: RateLimiter = limiter;
accept(new RateLimiter({ limits: { limit: 1, windowMs: 1_000 } }));
