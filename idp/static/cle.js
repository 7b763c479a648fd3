// Passkeys (WebAuthn). A section `#cle` says where to send (`data-action`), whether a key is made or used (`data-mode`), and holds
// the fields to send along. Nothing here decides: the server checks every answer.

const section = document.getElementById("cle");
const field = (name) => section.querySelector(`[name=${name}]`)?.value ?? "";
const error = section.querySelector("[data-erreur]");
const button = section.querySelector("[data-lancer]");
const names = ["csrf", "entree", "demande", "nom"];

const toBytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const toText = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function send(address, more = {}) {
  const body = new URLSearchParams({ ...Object.fromEntries(names.map((name) => [name, field(name)])), ...more });
  const answer = await fetch(address, { method: "POST", body });
  const said = await answer.json().catch(() => ({ erreur: "Le service n'a pas répondu comme prévu. Réessayez." }));
  if (!answer.ok) throw new Error(said.erreur);
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

let waiting;
async function run(mediation) {
  const asked = { publicKey: options(await send(`${section.dataset.action}/options`)) };
  waiting?.abort();
  waiting = new AbortController();
  asked.signal = waiting.signal;
  if (mediation) asked.mediation = mediation;
  const made = await (section.dataset.mode === "create" ? navigator.credentials.create(asked) : navigator.credentials.get(asked));
  location.assign((await send(section.dataset.action, { reponse: written(made) })).vers);
}

async function attempt(mediation) {
  error.textContent = "";
  button.ariaBusy = "true";
  try {
    await run(mediation);
  } catch (failure) {
    if (failure.name !== "AbortError") error.textContent = REASONS[failure.name] ?? failure.message;
  }
  button.ariaBusy = "false";
}

if (globalThis.PublicKeyCredential) {
  section.hidden = false;
  button.addEventListener("click", () => attempt());
  // On the mire, browsers may propose the key among what they fill in.
  if ("proposer" in section.dataset && (await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    run("conditional").catch((failure) => {
      if (failure.name !== "AbortError" && failure.name !== "NotAllowedError") error.textContent = REASONS[failure.name] ?? failure.message;
    });
  }
}
