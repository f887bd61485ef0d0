/** Placeholder. @module */
export const tables: usize = memory.data(4096, 64);
