// The gauge of a new password, in words and colour, as password_policy.py judges it; the server alone knows common words.

const ADVANCES = 16, FEWEST = 5;

function unit(letters) {
  for (let size = 1; size <= letters.length / 2; size++) {
    if (letters.every((letter, n) => letter === letters[n % size])) return letters.slice(0, size);
  }
  return letters;
}

function advances(letters) {
  const codes = letters.map((letter) => letter.codePointAt(0));
  return codes.filter((code, n) => n === 0 || Math.abs(code - codes[n - 1]) > 1).length;
}

export function strength(password, shortest) {
  const text = password.normalize("NFC");
  const letters = [...text], different = new Set(letters).size, steps = advances(unit([...text.toLowerCase()]));
  if (letters.length < shortest) return "trop court";
  if (different < FEWEST || steps < Math.floor(shortest / 2)) return "faible";
  return steps >= ADVANCES && different >= ADVANCES / 2 ? "bon" : "correct";
}

const $ = (id) => document.getElementById(id);
const [field, again, gauge, eye] = ["nouveau", "confirmation", "nouveau-force", "voir-nouveau"].map($);

function judge() {
  const word = field.value ? strength(field.value, field.minLength) : "";
  const text = word && `Solidité\u00a0: ${word}`;
  gauge.dataset.force = word;
  if (gauge.textContent !== text) gauge.textContent = text;
}

function show(shown) {
  for (const input of [field, again]) input.type = shown ? "text" : "password";
  eye.setAttribute("aria-pressed", String(shown));
  eye.firstChild.textContent = shown ? "Masquer" : "Afficher";
}

if (field) {
  field.addEventListener("input", judge);
  eye.hidden = false;
  eye.addEventListener("click", () => { show(field.type === "password"); field.focus(); });
  field.form.addEventListener("submit", () => show(false));
}
