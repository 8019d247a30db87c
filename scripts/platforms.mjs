/**
 * The platform packages: `npm/<platform>/package.json`, committed. `node scripts/platforms.mjs` writes them anew,
 * `--check` only says which are stale.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, main, manifest, ROOT, StepError, say, writeWhole } from './steps.mjs';

export const PLATFORMS = [
  { key: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  { key: 'linux-arm64-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  { key: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  { key: 'linux-arm64-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  { key: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  { key: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
  { key: 'win32-x64-msvc', os: 'win32', cpu: 'x64' },
  { key: 'win32-arm64-msvc', os: 'win32', cpu: 'arm64' },
];

export const BINARY = 'breakwater.node';

/** The platform of this process; lib/native.ts decides the same way. */
export function currentPlatform() {
  const { platform, arch } = process;
  if (platform === 'win32') return `${platform}-${arch}-msvc`;
  if (platform !== 'linux') return `${platform}-${arch}`;
  return `${platform}-${arch}-${readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-') ? 'musl' : 'gnu'}`;
}

/** The text that `npm/<platform>/package.json` must have. */
export function platformManifest({ key, os, cpu, libc }, root = manifest()) {
  const content = {
    name: `${root.name}-${key}`,
    version: root.version,
    description: `The native part of ${root.name} for ${key}. Installed by ${root.name} itself.`,
    license: root.license,
    main: BINARY,
    files: [BINARY],
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    engines: root.engines,
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** The manifests that are not as they must be, as `[path, content]`. */
export function staleManifests() {
  const root = manifest();
  return PLATFORMS.map((platform) => [
    `npm/${platform.key}/package.json`,
    platformManifest(platform, root),
  ]).filter(
    ([path, content]) => !existsSync(join(ROOT, path)) || readFileSync(join(ROOT, path), 'utf8') !== content,
  );
}

if (isMain(import.meta.url)) {
  await main(() => {
    const stale = staleManifests();
    if (process.argv.includes('--check')) {
      if (stale.length > 0) {
        throw new StepError(
          `stale: ${stale.map(([path]) => path).join(', ')}; run node scripts/platforms.mjs`,
        );
      }
      return;
    }
    for (const [path, content] of stale) writeWhole(join(ROOT, path), content);
    say(`${stale.length} of ${PLATFORMS.length} platform packages written`);
  });
}
