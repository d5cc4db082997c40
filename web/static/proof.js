/* Proof of work, ALTCHA version 2 with SHA-256: finds the counter whose hash begins with the prefix that is asked for.
 *
 * A worker of its own, so that typing stays smooth. The hash is written out here, because browsers offer theirs only
 * over https, one call at a time. Everything that is hashed (salt, nonce, counter: 36 octets) fits into one block
 * (FIPS 180-4, section 6.2); only its ninth word changes.
 * Takes the `parameters` of a challenge, answers {counter, derivedKey, time} or {error}.
 */
"use strict";

const K = new Uint32Array(64), START = new Uint32Array(8);
(() => {
  // the first 32 bits of the fractional parts of cube and square roots of the first primes
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) >>> 0;
  for (let n = 2, found = 0; found < 64; n += 1) {
    let prime = true;
    for (let d = 2; d * d <= n; d += 1) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) START[found] = fraction(Math.sqrt(n));
    K[found] = fraction(Math.cbrt(n));
    found += 1;
  }
})();

const block = new Uint32Array(64), state = new Uint32Array(8);

function hash() {
  for (let i = 16; i < 64; i += 1) {
    const x = block[i - 15], y = block[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    block[i] = (block[i - 16] + s0 + block[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = START;
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const first = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + block[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + first) | 0; d = c; c = b; b = a; a = (first + second) | 0;
  }
  state[0] = START[0] + a; state[1] = START[1] + b; state[2] = START[2] + c; state[3] = START[3] + d;
  state[4] = START[4] + e; state[5] = START[5] + f; state[6] = START[6] + g; state[7] = START[7] + h;
}

const word = (hex, at) => parseInt(hex.slice(at, at + 8), 16) >>> 0;
const hexOf = (words) => Array.from(words, (w) => w.toString(16).padStart(8, "0")).join("");

self.onmessage = ({ data }) => {
  const { algorithm, cost, keyLength, keyPrefix, nonce, salt } = data;
  if (algorithm !== "SHA-256" || cost !== 1 || keyLength !== 32 || (salt + nonce).length !== 64 || keyPrefix.length < 8) {
    self.postMessage({ error: "a challenge of another kind" });
    return;
  }
  for (let i = 0; i < 8; i += 1) block[i] = word(salt + nonce, i * 8);
  block[9] = 0x80000000;
  block[15] = 36 * 8;
  const wanted = word(keyPrefix, 0), started = performance.now();
  for (let counter = 0; counter <= 0xffffffff; counter += 1) {
    block[8] = counter;
    hash();
    if (state[0] === wanted && hexOf(state).startsWith(keyPrefix)) {
      self.postMessage({ counter, derivedKey: hexOf(state), time: Math.round(performance.now() - started) });
      return;
    }
  }
  self.postMessage({ error: "no counter fits" });
};
