/** The page of trials writes down what the button tells. Kept for the tab alone, so that a sign-in by the whole page is told to its end. */

const EVENTS = ["ready", "start", "success", "cancel", "error", "logout"];
const KEPT = "essais";
const MOST = 60;

const list = document.getElementById("journal");
const empty = document.getElementById("vide");
const clear = document.getElementById("effacer");
const state = document.getElementById("etat");

const kept = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? [];
  } catch {
    return [];
  }
};

const part = (line, name, text) => {
  const made = document.createElement(name);
  made.textContent = text;
  line.append(made, " ");
};

const show = ({ at, name, detail }) => {
  const line = document.createElement("li");
  part(line, "time", at);
  part(line, "strong", "mag:" + name);
  if (detail) part(line, "code", JSON.stringify(detail));
  line.dataset.event = name;
  list.prepend(line);
  empty.hidden = true;
  clear.hidden = false;
};

for (const one of kept()) show(one);

for (const name of EVENTS)
  document.addEventListener("mag:" + name, (event) => {
    const told = { at: new Date().toLocaleTimeString("fr-FR"), name, detail: event.detail };
    sessionStorage.setItem(KEPT, JSON.stringify([...kept(), told].slice(-MOST)));
    show(told);
    if (name === "success" && state.dataset.stay === "oui") event.preventDefault();
    if (name === "success") state.textContent = "Une session est ouverte ici. Rechargez la page pour voir à qui.";
    if (name === "logout") state.textContent = "Personne n’est connecté ici.";
  });

clear.addEventListener("click", () => {
  sessionStorage.removeItem(KEPT);
  list.replaceChildren();
  empty.hidden = false;
  clear.hidden = true;
});
