/** A sealed run of a lane's rows as encoded bytes. */
export interface SealedBlock {
  /** Its number in the file; given when it is sealed, unique while the file lives. */
  readonly id: number;
  readonly lane: number;
  readonly minTs: number;
  readonly maxTs: number;
  readonly samples: number;
  /** As `encodeRowBlock` or `encodeSideBlock` made them, not compressed further. */
  readonly bytes: Uint8Array;
  /** In the file already. */
  stored: boolean;
}
