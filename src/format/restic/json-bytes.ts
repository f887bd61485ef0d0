/**
 * What the readers of JSON bytes share: the codes of its characters, and how far its
 * numbers go.
 *
 * @module
 */

export const quote = 34;
export const colon = 58;
export const backslash = 92;

export const uint64Max = 18_446_744_073_709_551_615n;
/** Numbers of so many digits are exact in a double. */
export const exactDigits = 15;
