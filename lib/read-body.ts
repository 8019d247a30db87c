/**
 * Reads the body of a request of Node's: its bytes, inflated. Neither what comes nor what it inflates to is ever longer than `maxBytes`;
 * what is beyond is thrown away as it comes. `done` is called once, in the asynchronous context of the caller; also when the client goes
 * away.
 */
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage } from 'node:http';
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { BodyRefusal } from './validate.js';

/** What comes of reading. */
export type ReadBody = Uint8Array | BodyRefusal;

const INFLATERS: { readonly [encoding: string]: (() => Transform) | undefined } = {
  gzip: zlib.createGunzip,
  'x-gzip': zlib.createGunzip,
  deflate: zlib.createInflate,
  br: zlib.createBrotliDecompress,
  // Where the runtime has it.
  zstd: (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress,
};

/** Whether there is a body, if only an empty one. */
export function hasBody(req: IncomingMessage): boolean {
  const { headers } = req;
  if (headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined) return true;
  // HTTP/2 has bodies that no field announces.
  return (req as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders === false;
}

/** Whether someone has read of it before: what they have read is gone. */
export function isRead(req: IncomingMessage): boolean {
  return req.readableDidRead || req.readableEnded || (req as { _body?: unknown })._body === true;
}

export function readBody(req: IncomingMessage, maxBytes: number, done: (body: ReadBody) => void): void {
  const finish = AsyncResource.bind(done);
  const coding = (req.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  const inflater = Object.hasOwn(INFLATERS, coding) ? INFLATERS[coding] : undefined;
  if (inflater === undefined && coding !== 'identity') {
    finish(new BodyRefusal(415, 'encoding.unsupported', 'The content coding of the body is not supported.'));
    return;
  }
  if (Number(req.headers['content-length']) > maxBytes) {
    finish(tooLong());
    return;
  }
  read(req, inflater?.(), maxBytes, finish);
}

function read(
  req: IncomingMessage,
  inflater: Transform | undefined,
  maxBytes: number,
  done: (body: ReadBody) => void,
): void {
  const chunks: Uint8Array[] = [];
  let received = 0;
  let length = 0;

  const settle = (body: ReadBody): void => {
    req.off('data', onReceived).off('end', onReceivedAll).off('error', onGone).off('close', onGone);
    // What may still fail has nobody to tell.
    req.on('error', () => {});
    if (inflater !== undefined) {
      inflater.off('data', onData).off('end', onEnd).off('error', onBroken);
      inflater.on('error', () => {});
      inflater.destroy();
    }
    // So that the connection can be used for the next request.
    req.resume();
    done(body);
  };
  const onData = (chunk: Uint8Array): void => {
    length += chunk.length;
    if (length > maxBytes) settle(tooLong());
    else chunks.push(chunk);
  };
  // A copy: what comes may lie in memory that is read into again.
  const onEnd = (): void => settle(Buffer.concat(chunks, length));
  const onBroken = (): void => {
    settle(new BodyRefusal(400, 'encoding.broken', 'The body is not what its content coding says.'));
  };
  const onReceived = (piece: Uint8Array | string): void => {
    // Text, where somebody has set an encoding.
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
    received += chunk.length;
    if (received > maxBytes) settle(tooLong());
    else if (inflater === undefined) onData(chunk);
    // Waits for what was inflated, or a fast sender would fill the memory.
    else if (!inflater.write(chunk)) {
      req.pause();
      inflater.once('drain', () => req.resume());
    }
  };
  const onReceivedAll = (): void => {
    // It is whole: what happens to the connection from here on does not matter.
    req.off('error', onGone).off('close', onGone);
    if (inflater === undefined) onEnd();
    else inflater.end();
  };
  const onGone = (): void => settle(new BodyRefusal(400, 'request.aborted', 'The request was broken off.'));

  inflater?.on('data', onData).on('end', onEnd).on('error', onBroken);
  if (req.destroyed) onGone();
  else {
    req.on('error', onGone).on('close', onGone).on('end', onReceivedAll).on('data', onReceived);
    // Somebody may have paused it until it is read.
    req.resume();
  }
}

/** The refusal of a body longer than it may be. */
export function tooLong(): BodyRefusal {
  return new BodyRefusal(413, 'entity.too.large', 'The body is too long.');
}
