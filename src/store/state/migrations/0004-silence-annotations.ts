/** What tools note on a silence. */
export const SILENCE_ANNOTATIONS = `
ALTER TABLE silence ADD COLUMN annotations TEXT NOT NULL DEFAULT '{}';
`;
