// The proof of work: find a number such that SHA-256 of "challenge.number" begins with enough zero bits.
// In slices, on the page's own thread: our policy of trusted types lets no script start a worker, and the slices let the person type.

const form = document.getElementById("identification");
const status = document.getElementById("avancement");
const challenge = form.elements.defi.value;
const bits = parseInt(challenge, 10);

const K = new Uint32Array(64);
const START = new Uint32Array(8);
for (let n = 2, found = 0; found < 64; n++) {
  if ([...Array(n).keys()].slice(2).some((d) => n % d === 0)) continue;
  if (found < 8) START[found] = (n ** 0.5 % 1) * 2 ** 32;
  K[found++] = (n ** (1 / 3) % 1) * 2 ** 32;
}

const W = new Uint32Array(64);
const right = (x, n) => (x >>> n) | (x << (32 - n));

function block(h) {
  for (let i = 16; i < 64; i++) {
    const a = W[i - 15], b = W[i - 2];
    W[i] = W[i - 16] + W[i - 7] + (right(a, 7) ^ right(a, 18) ^ (a >>> 3)) + (right(b, 17) ^ right(b, 19) ^ (b >>> 10));
  }
  let [a, b, c, d, e, f, g, x] = h;
  for (let i = 0; i < 64; i++) {
    const t = x + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + W[i] | 0;
    const u = (right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c)) | 0;
    x = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += x;
}

// First two words of the hash; texts are ASCII and short.
function hash(text) {
  const size = (text.length + 9 + 63) >> 6 << 6;
  const h = START.slice();
  for (let at = 0; at < size; at += 64) {
    for (let i = 0; i < 16; i++) {
      let word = 0;
      for (let j = 0; j < 4; j++) {
        const k = at + i * 4 + j;
        word = (word << 8) | (k < text.length ? text.charCodeAt(k) : k === text.length ? 128 : 0);
      }
      W[i] = word;
    }
    if (at + 64 === size) W[15] = text.length * 8;
    block(h);
  }
  return h;
}

const zeros = (h) => (h[0] ? Math.clz32(h[0]) : 32 + Math.clz32(h[1]));

let number = 0, done = false, wanted = false, said = 0;

function search() {
  const until = performance.now() + 20;
  while (performance.now() < until) {
    for (let i = 0; i < 50; i++, number++) {
      if (zeros(hash(`${challenge}.${number}`)) >= bits) return finish();
    }
  }
  const likely = Math.min(95, Math.round(100 * (1 - Math.exp(-number / 2 ** bits))));
  if (likely >= said + 20) status.textContent = `Vérification automatique en cours\u00a0: ${said = likely}\u00a0%.`;
  setTimeout(search);
}

function finish() {
  done = true;
  form.elements.preuve.value = number;
  status.textContent = "Vérification automatique terminée.";
  if (wanted) form.requestSubmit();
}

form.addEventListener("submit", (event) => {
  if (done) return;
  wanted = true;
  status.textContent = "La vérification automatique se termine\u00a0: la connexion suivra.";
  event.preventDefault();
}, { capture: true });

search();
