export default {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': ['@swc/jest', { jsc: { target: 'es2023', parser: { syntax: 'typescript' } }, module: { type: 'es6' } }],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  // Two cores: acceptance tests start real brokers, which need one of them.
  maxWorkers: 2,
  // Patience, not a bound on speed: a machine that does other things besides fails no test.
  testTimeout: 60_000,
};
