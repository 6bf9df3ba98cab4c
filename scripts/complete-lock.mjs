// Adds to package-lock.json the optional binaries of other platforms that a registry mirror left out.
//
// A mirror that answers 404 for such a package makes `npm install` drop its lock entry, and `npm ci` then
// refuses the lock as incomplete (EUSAGE). An entry needs only version, os, cpu and `optional` to be accepted,
// and gives developers on other platforms a lock that works. Run it after every change of a dependency;
// `--check` changes nothing and fails when something is missing.
import { readFileSync, writeFileSync } from 'node:fs';

const LOCK_PATH = new URL('../package-lock.json', import.meta.url);
const PLATFORMS = ['darwin', 'linux', 'win32', 'android', 'freebsd', 'openharmony', 'sunos', 'aix'];
const ARCHITECTURES = {
  arm64: 'arm64',
  x64: 'x64',
  ia32: 'ia32',
  ppc64: 'ppc64',
  s390x: 's390x',
  riscv64: 'riscv64',
  loong64: 'loong64',
  arm: 'arm',
};

/** The lock key that Node would resolve `name` to from the package at `from`, or undefined when the lock has none. */
function resolveKey(packages, from, name) {
  for (let base = from; ;) {
    const key = `${base === '' ? '' : `${base}/`}node_modules/${name}`;
    if (packages[key] !== undefined) return key;
    if (base === '') return undefined;
    const cut = base.lastIndexOf('/node_modules/');
    base = cut < 0 ? '' : base.slice(0, cut);
  }
}

/** `os`, `cpu` and `libc` as the name of a platform package says them, such as `@swc/core-linux-arm-gnueabihf`. */
function platformOf(name) {
  const words = name.split(/[/-]/);
  const os = words.find((word) => PLATFORMS.includes(word));
  const cpu = words.map((word) => ARCHITECTURES[word]).find((value) => value !== undefined);
  if (os === undefined || cpu === undefined) return undefined;
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : undefined;
  return { os: [os], cpu: [cpu], ...(libc && os === 'linux' ? { libc } : {}) };
}

const lock = JSON.parse(readFileSync(LOCK_PATH, 'utf8'));
const added = [];
for (const [from, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (resolveKey(lock.packages, from, name) !== undefined) continue;
    const platform = platformOf(name);
    if (platform === undefined) throw new Error(`cannot tell the platform of ${name}@${version}, an optional dependency of ${from}`);
    lock.packages[`node_modules/${name}`] = { version, ...platform, ...(entry.dev ? { dev: true } : {}), optional: true };
    added.push(`${name}@${version}`);
  }
}
const addresses = Object.entries(lock.packages).filter(([, entry]) => /^https?:/.test(entry.resolved ?? ''));

if (process.argv.includes('--check')) {
  for (const name of added) console.error(`package-lock.json lacks ${name}: run node scripts/complete-lock.mjs`);
  for (const [key] of addresses) console.error(`package-lock.json names a registry address for ${key}`);
  process.exitCode = added.length + addresses.length > 0 ? 1 : 0;
} else {
  for (const [, entry] of addresses) delete entry.resolved;
  const [root, ...rest] = Object.entries(lock.packages);
  lock.packages = Object.fromEntries([root, ...rest.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
  writeFileSync(LOCK_PATH, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.length} entries: ${added.join(', ')}`);
}
