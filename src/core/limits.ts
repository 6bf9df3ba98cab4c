/** Defaults of the limits that hold everywhere; each has a configuration key where operators may need another. */
export const LIMITS = {
  /** Bytes of one scraped page after decompression. */
  scrapeBodyBytes: 64 * 1024 * 1024,
  /** Of all targets together only so many pages may be larger than this while they are read; others wait. */
  smallPageBytes: 2 * 1024 * 1024,
  largePages: 4,
  /** Series of one target. */
  seriesPerTarget: 200_000,
  /** UTF-8 bytes of one label value, and of one label name. */
  labelValueBytes: 4096,
  labelNameBytes: 512,
  /** Labels of one series. */
  labelsPerSeries: 64,
  /** Samples one query over HTTP may hold at once, of 16 bytes; what else it needs of memory counts as so many samples. */
  querySamples: 10_000_000,
  /** Series that one selector of a query over HTTP may stand for. */
  querySeries: 1_000_000,
  /** Of a query over HTTP from its beginning on, the turns of others between its slices among it. */
  queryTimeoutMs: 10_000,
  /** Messages waiting for delivery, over all receivers. */
  outboxMessages: 100_000,
  /** Alerts listed one by one in a message; the rest is counted. */
  alertsInMessage: 20,
  /** Connections to the API at once: the files a process may open are for the watch first. */
  httpConnections: 500,
  /** Bytes of a body posted to an API. */
  requestBodyBytes: 8 * 1024 * 1024,
  /** Bytes of one remote write request after decompression. */
  remoteWriteBytes: 8 * 1024 * 1024,
} as const;
