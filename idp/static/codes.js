// Recovery codes: copied or printed on request; both buttons exist with scripts alone.

const $ = (id) => document.getElementById(id);
const text = () => [...$("liste").children].map((one) => one.textContent.trim()).join("\n");

if (navigator.clipboard) {
  $("copier").hidden = false;
  $("copier").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      $("copie").textContent = "Les codes sont copiés. Collez-les en lieu sûr.";
    } catch {
      $("copie").textContent = "La copie n'a pas été permise par le navigateur. Imprimez les codes, ou recopiez-les.";
    }
  });
}
$("imprimer").hidden = false;
$("imprimer").addEventListener("click", () => print());
