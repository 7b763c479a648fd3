// Comfort of the mire; everything works without it. Nothing typed here leaves the page except by the form.

const $ = (id) => document.getElementById(id);
const [siret, nom, prenom, password, whole] = ["siret", "nom", "prenom", "password", "identifiant"].map($);

// The SIRET: only its digits, in groups of 3, 3, 3 and 5, whatever was pasted; how many there are is said.
const digitsOf = (text) => text.normalize("NFKC").replace(/\D/g, "");
const grouped = (digits) => [digits.slice(0, 3), digits.slice(3, 6), digits.slice(6, 9), digits.slice(9)].filter(Boolean).join(" ");

function said(count) {
  if (count === 0) return "";
  if (count === 14) return "14 chiffres\u00a0: le compte est bon.";
  if (count === 9) return "9 chiffres\u00a0: c'est un SIREN. Ajoutez les 5 chiffres de l'établissement.";
  return `${count} chiffre${count > 1 ? "s" : ""} sur 14.`;
}

function tidy() {
  const before = digitsOf(siret.value.slice(0, siret.selectionStart ?? siret.value.length)).length;
  const digits = digitsOf(siret.value);
  const shown = grouped(digits);
  if (shown !== siret.value) {
    siret.value = shown;
    let at = 0;
    for (let seen = 0; seen < before; at++) if (/\d/.test(shown[at])) seen++;
    if (document.activeElement === siret) siret.setSelectionRange(at, at);
  }
  $("siret-compte").textContent = said(digits.length);
}

siret.addEventListener("input", tidy);
if (siret.value) tidy();

// Password managers keep one user name: SIRET|NOM|PRENOM, in a field that nobody sees and that is not sent.
const join = () => { whole.value = siret.value ? [digitsOf(siret.value), nom.value, prenom.value].join("|") : ""; };
const fill = () => {
  const [a, b, c] = whole.value.split("|");
  if (!c) return;
  [siret.value, nom.value, prenom.value] = [grouped(digitsOf(a)), b, c];
  tidy();
};
for (const field of [siret, nom, prenom]) field.addEventListener("input", join);
for (const kind of ["input", "change"]) whole.addEventListener(kind, fill);
join();

// Show what is typed, on request; hidden again before it is sent, so that browsers know a password when they see one.
const eye = $("voir");
function show(shown) {
  password.type = shown ? "text" : "password";
  eye.setAttribute("aria-pressed", String(shown));
  eye.firstChild.textContent = shown ? "Masquer" : "Afficher";
}
eye.hidden = false;
eye.addEventListener("click", () => { show(password.type === "password"); password.focus(); });

// Caps lock.
const capitals = $("majuscules");
for (const kind of ["keydown", "keyup", "pointerdown"]) {
  password.addEventListener(kind, (event) => {
    const text = event.getModifierState?.("CapsLock") ? "Les majuscules sont verrouillées." : "";
    if (capitals.textContent !== text) capitals.textContent = text;
  });
}
password.addEventListener("blur", () => { capitals.textContent = ""; });

// One click, one attempt; the page is as new when the person comes back to it.
const form = $("identification");
form.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (form.ariaBusy === "true") { event.preventDefault(); return; }
  show(false);
  form.ariaBusy = "true";
});
addEventListener("pageshow", () => { form.ariaBusy = "false"; });
