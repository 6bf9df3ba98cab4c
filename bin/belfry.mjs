#!/usr/bin/env node
// Plain JavaScript, so that an older Node says what it needs instead of stopping at a syntax it does not know.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { tuneAllocator, tuneHeap } from './memory.mjs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 6)) {
  process.stderr.write(`belfry needs Node.js 24.6 or newer; this is ${process.versions.node} (in a checkout, npm run brings its own)\n`);
  process.exitCode = 1;
} else {
  tuneHeap();
  // Those that run for long; for the others it would take longer than it is worth.
  if (process.argv[2] === 'start') tuneAllocator();
  // What was compiled, and stripped of its types, is kept beside the code for the next start, which takes half as long then.
  // Where the folder cannot be written, nothing is kept. Never in a folder that others may write to: it is code.
  module.enableCompileCache(fileURLToPath(new URL('../.cache/compile', import.meta.url)));
  // A checkout runs its sources; an installed package has none, but dist/.
  const source = new URL('../src/main.ts', import.meta.url);
  await import(existsSync(source) ? source.href : new URL('../dist/main.js', import.meta.url).href);
}
