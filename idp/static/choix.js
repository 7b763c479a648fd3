// Comfort of the choice of an establishment: what is shown is filtered while one types; the search itself is the form's.

const field = document.getElementById("q");
const said = document.getElementById("filtre");
const rows = [...document.querySelectorAll(".people li")];
const fold = (text) => text.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toUpperCase();
const texts = rows.map((row) => { const text = fold(row.textContent); return `${text} ${text.replace(/\s/g, "")}`; });
const first = field.value;

field.addEventListener("input", () => {
  const words = fold(field.value).split(/[^A-Z0-9]+/).filter(Boolean);
  const untouched = field.value === first;
  let shown = 0;
  rows.forEach((row, i) => {
    row.hidden = !untouched && !words.every((word) => texts[i].includes(word));
    if (!row.hidden) shown++;
  });
  said.textContent = untouched || !rows.length ? "" : `${shown} sur cette page\u00a0; la touche Entrée cherche parmi tous vos établissements.`;
});
