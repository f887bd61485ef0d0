/**
 * Polynomials over GF(2) as bits of a `bigint`: the chunker of a repository cuts by one of degree 53
 * that is irreducible, chosen at random so that nobody else can tell where it cuts.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { BackupError } from "../../domain/error.ts";

const degree = 53;
/** About one of 26 candidates with a constant term is irreducible; missing 10,000 times does not happen. */
const maxTries = 10_000;

/** A fresh irreducible polynomial of degree 53 from the system's random numbers. */
export function randomPolynomial(): bigint {
  const highest = 1n << BigInt(degree);
  for (let tries = 0; tries < maxTries; tries += 1) {
    // Without a constant term x would divide it.
    const candidate = (randomBytes(8).readBigUInt64LE() & (highest - 1n)) | highest | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
  throw new BackupError("bug", `Cannot choose a polynomial: none of ${maxTries} is irreducible`);
}

/**
 * Ben-Or's test: a polynomial of degree n is irreducible if it shares no factor with x^(2^i) - x for
 * any i up to n/2, since those are the products of all irreducible ones whose degree divides i.
 */
export function isIrreducible(polynomial: bigint): boolean {
  const half = degreeOf(polynomial) >> 1;
  if (degreeOf(polynomial) < 1) return false;
  let power = remainder(2n, polynomial);
  for (let i = 1; i <= half; i += 1) {
    power = square(power, polynomial);
    if (commonFactor(polynomial, power ^ 2n) !== 1n) return false;
  }
  return true;
}

/** -1 for zero. */
function degreeOf(value: bigint): number {
  return value === 0n ? -1 : value.toString(2).length - 1;
}

function remainder(value: bigint, divisor: bigint): bigint {
  const divisorDegree = degreeOf(divisor);
  let rest = value;
  for (let above = degreeOf(rest) - divisorDegree; above >= 0; above = degreeOf(rest) - divisorDegree) {
    rest ^= divisor << BigInt(above);
  }
  return rest;
}

/** Over GF(2) a square has no mixed terms: each bit moves to twice its place. */
function square(value: bigint, modulus: bigint): bigint {
  let spread = 0n;
  for (let bit = 0n; value >> bit !== 0n; bit += 1n) {
    if ((value >> bit) & 1n) spread |= 1n << (bit * 2n);
  }
  return remainder(spread, modulus);
}

function commonFactor(a: bigint, b: bigint): bigint {
  let [greater, lesser] = [a, b];
  while (lesser !== 0n) [greater, lesser] = [lesser, remainder(greater, lesser)];
  return greater;
}
