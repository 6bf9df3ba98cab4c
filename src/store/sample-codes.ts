/**
 * What a cell of a row-major ring holds besides a number. Absent and stale are quiet NaNs whose high words are our
 * own; they are told apart through a Uint32Array view and only where `v !== v`, because a NaN's payload does not
 * survive being a JavaScript value. A NaN that was scraped is written as the canonical one.
 */
export const ABSENT_HIGH = 0x7ffc_0001;
export const STALE_HIGH = 0x7ffc_0002;
export const NAN_HIGH = 0x7ff8_0000;

/** Index of the high 32 bits of a double in a Uint32Array view; every platform that Node runs on here is little-endian. */
export const HIGH_WORD = 1;
