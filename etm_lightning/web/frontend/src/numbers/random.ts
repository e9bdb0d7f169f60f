/** Random whole numbers that are the same on every page and machine: a band must not flicker. */
export function randomBelow(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13; // xorshift32 (Marsaglia, 2003)
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return Math.floor((state / 4294967296) * limit);
  };
}
