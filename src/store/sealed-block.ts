/** A sealed run of a lane's rows as encoded bytes. */
export interface SealedBlock {
  /** Its number in the file; given when it is sealed, ascending, unique while the file lives. */
  readonly id: number;
  readonly lane: number;
  readonly minTs: number;
  readonly maxTs: number;
  /** Samples in it, staleness markers not counted. */
  readonly samples: number;
  /** As `BlockEncoder` made them, not compressed further. */
  readonly bytes: Uint8Array;
  /** Log rows that are not needed for this lane any more once the block is in the file. */
  logRows: readonly number[];
  /** In the file already. */
  stored: boolean;
}
