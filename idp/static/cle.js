// Passkeys (WebAuthn). A section `#cle` says where to send (`data-action`), whether a key is made or used (`data-mode`), and holds
// the fields to send along. Nothing here decides: the server checks every answer.

const section = document.getElementById("cle");
const field = (name) => section.querySelector(`[name=${name}]`)?.value ?? "";
const error = section.querySelector("[data-erreur]");
const button = section.querySelector("[data-lancer]");
const names = ["csrf", "entree", "demande", "nom"];

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const toText = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

class Refusal extends Error {}

async function send(address, more = {}) {
  const body = new URLSearchParams({ ...Object.fromEntries(names.map((name) => [name, field(name)])), ...more });
  const answer = await fetch(address, { method: "POST", body }).catch(() => {
    throw new Refusal("Le service est injoignable. Vérifiez votre connexion à Internet, puis réessayez.");
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok || !said) throw new Refusal(said?.erreur ?? "Le service n'a pas répondu comme prévu. Réessayez.");
  return said;
}

function options(said) {
  const keys = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));
  const read = { ...said, challenge: toBytes(said.challenge) };
  if (said.user) return { ...read, user: { ...said.user, id: toBytes(said.user.id) }, excludeCredentials: keys(said.excludeCredentials) };
  return { ...read, allowCredentials: keys(said.allowCredentials) };
}

function written(made) {
  const response = {};
  for (const part of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[part]) response[part] = toText(made.response[part]);
  }
  if (made.response.getTransports) response.transports = made.response.getTransports();
  const extensions = made.getClientExtensionResults();
  return JSON.stringify({ id: made.id, rawId: toText(made.rawId), type: made.type, response, clientExtensionResults: extensions });
}

const REASONS = {
  NotAllowedError: "L'opération a été annulée, ou elle a pris trop de temps. Réessayez quand vous voulez.",
  InvalidStateError: "Cet appareil a déjà une clé d'accès pour ce compte.",
  SecurityError: "Votre navigateur refuse les clés d'accès à cette adresse. Utilisez un autre moyen.",
  NotSupportedError: "Cet appareil ne sait pas faire de clé d'accès. Utilisez un autre moyen.",
};

function explain(failure) {
  if (failure.name === "AbortError") return;
  const unknown = "La clé d'accès n'a pas pu être utilisée. Réessayez, ou utilisez un autre moyen.";
  error.textContent = failure instanceof Refusal ? failure.message : (REASONS[failure.name] ?? unknown);
}

const ask = async () => ({ publicKey: options(await send(`${section.dataset.action}/options`)) });

let waiting;
async function use(asked) {
  waiting?.abort();
  waiting = new AbortController();
  const whole = { ...asked, signal: waiting.signal };
  const made = await (section.dataset.mode === "create" ? navigator.credentials.create(whole) : navigator.credentials.get(whole));
  location.assign((await send(section.dataset.action, { reponse: written(made) })).vers);
}

async function attempt() {
  error.textContent = "";
  button.ariaBusy = "true";
  await ask().then(use).catch(explain);
  button.ariaBusy = "false";
}

// On the mire, browsers may propose the key among what they fill in. A page left open asks for a challenge anew before its own ends;
// nothing is said of what nobody asked for.
function propose() {
  const again = setInterval(offer, 240_000);
  async function offer() {
    const asked = await ask().catch(() => clearInterval(again));
    if (asked) await use({ ...asked, mediation: "conditional" }).catch((failure) => failure instanceof Refusal && explain(failure));
  }
  button.addEventListener("click", () => clearInterval(again));
  offer();
}

if (globalThis.PublicKeyCredential) {
  section.hidden = false;
  button.addEventListener("click", attempt);
  if ("proposer" in section.dataset && (await PublicKeyCredential.isConditionalMediationAvailable?.())) propose();
}
