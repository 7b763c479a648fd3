/**
 * Un site qui se connecte avec MAG, en Node.js 20 ou plus récent, sans bibliothèque ni cadre : les quatre routes du contrat
 * (docs/contrat.md), et une page protégée. À essayer avec : MAG=… SITE=… CLIENT=… SECRET=… CLE=… PORT=8000 node site.mjs
 *
 * CLE : 32 caractères au hasard, ou plus, que seul votre site connaît. Les sessions sont en mémoire : mettez-les dans Redis ou dans votre base
 * s'il y a plusieurs processus, ou pour survivre à un redémarrage. Laissé de côté : le renouvellement des jetons, les habilitations.
 */

import { createCipheriv, createDecipheriv, createHash, createPublicKey, randomBytes, timingSafeEqual, verify } from 'node:crypto';
import { createServer } from 'node:http';

const { MAG, SITE, CLIENT, SECRET, PORT } = process.env;
const CLE = createHash('sha256').update(`transaction:${process.env.CLE}`).digest();
const TRANSACTION = '__Host-mag-tx-', SESSION = '__Host-site';
const DUREE = 600, ECART = 60, VIE = 12 * 3600; // secondes : pour finir une connexion, entre deux horloges, d'une session
const EVENEMENT = 'http://schemas.openid.net/event/backchannel-logout';
const LONGUEUR = 65_536; // octets d'une demande

/** Une demande qui n'est pas accordée : le code est pour les scripts, la phrase pour la personne, la cause pour le journal. */
class Refus extends Error {
  constructor(code, statut, phrase, cause) {
    super(cause);
    Object.assign(this, { code, statut, phrase });
  }
}

const perdue = (cause) => new Refus('transaction_lost', 400, 'La connexion a été interrompue : elle a duré plus de dix minutes, elle a déjà servi, ou votre '
  + 'navigateur n\'a pas gardé les cookies de ce site. Recommencez.', cause);
const absente = (cause) => new Refus('temporarily_unavailable', 503, 'Le service d\'authentification ne répond pas. Réessayez dans quelques instants.', cause);

// ------------------------------------------------------------------------------------------------------------------ textes

const hasard = () => randomBytes(32).toString('base64url');
const empreinte = (texte) => createHash('sha256').update(texte).digest();
const maintenant = () => Date.now() / 1000;
const egaux = (a, b) => timingSafeEqual(empreinte(String(a)), empreinte(String(b)));

/** Scelle ce que le navigateur garde : lui seul le rapporte, nous seuls le lisons (AES-256-GCM). */
function sceller(valeur) {
  const iv = randomBytes(12), chiffre = createCipheriv('aes-256-gcm', CLE, iv);
  const texte = Buffer.concat([chiffre.update(JSON.stringify({ ...valeur, fin: maintenant() + DUREE })), chiffre.final()]);
  return Buffer.concat([iv, chiffre.getAuthTag(), texte]).toString('base64url');
}

function desceller(texte) {
  try {
    const o = Buffer.from(texte, 'base64url'), clair = createDecipheriv('aes-256-gcm', CLE, o.subarray(0, 12), { authTagLength: 16 });
    clair.setAuthTag(o.subarray(12, 28));
    const valeur = JSON.parse(Buffer.concat([clair.update(o.subarray(28)), clair.final()]));
    return valeur.fin > maintenant() ? valeur : null;
  } catch {
    return null; // pas de nous, changé, ou illisible
  }
}

/** Un chemin de ce site, ou celui par défaut : ni //ailleurs, ni /\ailleurs, ni javascript:… */
const cheminDuSite = (texte) => (/^\/(?!\/)[\x21-\x5b\x5d-\x7e]{0,999}$/.test(texte ?? '') ? texte : '/espace');

const cookies = (demande) => Object.fromEntries((demande.headers.cookie ?? '').split('; ').map((un) => [un.split('=')[0], un.slice(un.indexOf('=') + 1)]));

const cookie = (nom, valeur, duree) =>
  `${nom}=${valeur}; Path=/; Secure; HttpOnly; SameSite=Lax${duree === undefined ? '' : `; Max-Age=${duree}`}`;

const html = (texte) => texte.replace(/[&<>"]/g, (signe) => `&#${signe.charCodeAt(0)};`);

// --------------------------------------------------------------------------------------------------------------------- MAG

/** Statut et objet JSON. Aucune redirection n'est suivie. Lève Refus si MAG ne répond pas. */
async function appeler(url, options = {}) {
  try {
    const reponse = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(10_000), ...options });
    return [reponse.status, await reponse.json().catch(() => ({}))];
  } catch (erreur) {
    throw absente(`${url} : ${erreur.message}`);
  }
}

const gardes = new Map();

/** Un document public de MAG, gardé une heure. `encore` : il vient peut-être de changer. */
async function document(url, encore = false) {
  const garde = gardes.get(url);
  if (garde && maintenant() - garde.lu < (encore ? 10 : 3600)) return garde.objet;
  const [statut, objet] = await appeler(url);
  if (statut !== 200) throw absente(`${url} : ${statut}`);
  gardes.set(url, { lu: maintenant(), objet });
  return objet;
}

async function point(nom) {
  const decouverte = await document(`${MAG}/.well-known/openid-configuration`);
  if (decouverte.issuer !== MAG) throw perdue('découverte d\'un autre émetteur');
  return decouverte[nom];
}

async function clePublique(kid) {
  for (const encore of [false, true]) {
    const { keys } = await document(await point('jwks_uri'), encore);
    const jwk = keys.find((une) => une.kid === kid && une.kty === 'EC' && une.crv === 'P-256');
    if (jwk) return createPublicKey({ key: jwk, format: 'jwk' });
  }
  throw perdue('clé inconnue');
}

/** L'en-tête et le contenu d'un jeton que MAG a signé en ES256, pour nous, et qui vaut maintenant. */
async function verifier(jeton) {
  const parts = String(jeton).split('.');
  let entete, contenu;
  try {
    [entete, contenu] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  } catch {
    throw perdue('ce n\'est pas un jeton');
  }
  if (parts.length !== 3 || entete?.alg !== 'ES256' || typeof entete.kid !== 'string') throw perdue('ce n\'est pas un jeton ES256');
  const cle = { key: await clePublique(entete.kid), dsaEncoding: 'ieee-p1363' };
  if (!verify('sha256', Buffer.from(`${parts[0]}.${parts[1]}`), cle, Buffer.from(parts[2], 'base64url'))) throw perdue('signature fausse');
  const pour = Array.isArray(contenu.aud) && contenu.aud.length === 1 ? contenu.aud[0] : contenu.aud;
  if (contenu.iss !== MAG || pour !== CLIENT) throw perdue('jeton d\'un autre émetteur, ou pour un autre site');
  if (!(contenu.exp > maintenant() - ECART) || !(contenu.iat < maintenant() + ECART))
    throw new Refus('clock_skew', 500, 'Le serveur de ce site n\'est pas à l\'heure. Prévenez son assistance.', 'exp ou iat : ce serveur est-il à l\'heure ?');
  return [entete, contenu];
}

// ---------------------------------------------------------------------------------------------------------------- sessions

const sessions = new Map(); // empreinte du cookie -> { sid, personne, fin }
const finies = new Map(); // sid d'une session finie -> jusqu'à quand s'en souvenir
const avisRecus = new Map(); // jti -> de même
const cleDe = (nom) => empreinte(nom).toString('hex');

function sessionDe(demande) {
  const trouvee = sessions.get(cleDe(cookies(demande)[SESSION] ?? ''));
  return trouvee && trouvee.fin > maintenant() && !finies.has(trouvee.sid) ? trouvee : null;
}

/** Ce qui a fait son temps est oublié : la mémoire reste bornée. */
function oublier() {
  for (const [carte, fin] of [[sessions, (une) => une.fin], [finies, (une) => une], [avisRecus, (une) => une]])
    for (const [cle, valeur] of carte) if (fin(valeur) < maintenant()) carte.delete(cle);
}

// ---------------------------------------------------------------------------------------------------------------- réponses

const json = (reponse, valeur, statut = 200) => reponse.writeHead(statut, { 'Content-Type': 'application/json' }).end(JSON.stringify(valeur));
const aller = (reponse, adresse) => reponse.writeHead(303, { Location: adresse }).end();
const page = (reponse, titre, texte, statut = 200, tete = '') => reponse.writeHead(statut, { 'Content-Type': 'text/html; charset=utf-8' }).end(
  `<!doctype html><html lang="fr"><meta charset="utf-8"><title>${titre}</title>${tete}<main><h1>${titre}</h1><p>${html(texte)}</p>`
  + '<p><a href="/auth/mag/start">Se connecter avec MAG</a> · <a href="/">Accueil</a></p></main></html>');

/** La dernière page d'une fenêtre : un script de MAG, dont l'empreinte est vérifiée, passe le message à la page qui l'a ouverte. */
async function pageDeFenetre(reponse, titre, texte, statut, message) {
  const { releases } = await document(`${MAG}/widget/releases.json`);
  const { integrity } = releases.find((une) => une.version === '1.1.0').files['mag-done.js'];
  reponse.setHeader('Content-Security-Policy', `default-src 'none'; script-src ${MAG}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`);
  const dit = JSON.stringify(message).replaceAll('<', '\\u003c');
  page(reponse, titre, texte, statut, `<script type="application/json" id="mag-done">${dit}</script>`
    + `<script type="module" crossorigin="anonymous" integrity="${integrity}" src="${MAG}/widget/1.1.0/mag-done.js"></script>`);
}

async function refuser(demande, reponse, refus, transaction) {
  const reference = randomBytes(4).toString('hex');
  console.error(`connexion refusée [${reference}] ${refus.code} : ${refus.message}`);
  const dit = { error: refus.code, correlation_id: reference }, phrase = `${refus.phrase} Référence : ${reference}`;
  if (demande.method === 'POST') json(reponse, dit, Math.max(400, refus.statut));
  else if (transaction?.mode === 'popup') await pageDeFenetre(reponse, 'Connexion interrompue', phrase, refus.statut, { flow: transaction.flow, ...dit });
  else page(reponse, 'Connexion interrompue', phrase, refus.statut);
}

/** Un formulaire posté, de longueur bornée ; un paramètre donné deux fois ne vaut rien. */
async function formulaire(demande) {
  let texte = '';
  for await (const morceau of demande) {
    texte += morceau;
    if (texte.length > LONGUEUR) throw new Refus('invalid_request', 413, 'Cette demande est trop longue.', 'demande trop longue');
  }
  return champs(new URLSearchParams(texte));
}

const champs = (donnes) => Object.fromEntries([...donnes.keys()].map((nom) => [nom, donnes.getAll(nom).length === 1 ? donnes.get(nom) : '']));

// ------------------------------------------------------------------------------------------------------------------ routes

async function commencer(demande, reponse, adresse) {
  const { mode = 'redirect', flow = '', iss = MAG, return_to, ...autres } = champs(adresse.searchParams);
  const parScript = ['fedcm', 'inline'].includes(mode), ecoutee = mode !== 'popup' || /^[A-Za-z0-9_-]{8,64}$/.test(flow);
  if (!(parScript || ['redirect', 'popup'].includes(mode)) || !ecoutee || iss !== MAG)
    throw new Refus('invalid_request', 400, 'Ce lien ne permet pas de se connecter à ce site.', 'mode, flow ou iss');
  if (parScript && (demande.headers['sec-fetch-site'] ?? 'same-origin') !== 'same-origin')
    throw new Refus('invalid_request', 403, 'Cette demande ne vient pas de ce site.', 'script d\'un autre site');
  const t = { state: hasard(), nonce: hasard(), verifier: hasard(), mode, flow, return_to: cheminDuSite(return_to) };
  const params = {
    response_type: 'code', redirect_uri: `${SITE}/auth/mag/callback`, scope: 'openid profile siret', state: t.state, nonce: t.nonce,
    code_challenge: empreinte(t.verifier).toString('base64url'), code_challenge_method: 'S256',
  };
  const indices = mode === 'fedcm' ? [] : ['login_hint', 'siret_hint', 'prompt', 'ui_locales']; // le navigateur a les siens pour FedCM
  for (const nom of indices) if (autres[nom]) params[nom] = autres[nom];
  const mag = parScript ? '' : `${await point('authorization_endpoint')}?${new URLSearchParams({ client_id: CLIENT, ...params })}`;
  const anciennes = Object.keys(cookies(demande)).filter((nom) => nom.startsWith(TRANSACTION)).slice(0, -4);
  reponse.setHeader('Set-Cookie', [cookie(TRANSACTION + t.state, sceller(t), DUREE), ...anciennes.map((nom) => cookie(nom, '', 0))]);
  return parScript ? json(reponse, { callback: '/auth/mag/callback', params }) : aller(reponse, mag);
}

/** La réponse de MAG à la question de ce navigateur, une fois. */
async function revenir(demande, reponse, adresse) {
  const poste = demande.method === 'POST', recu = poste ? await formulaire(demande) : champs(adresse.searchParams);
  const site = demande.headers['sec-fetch-site'] ?? (demande.headers.origin === SITE ? 'same-origin' : 'inconnu');
  if (poste && site !== 'same-origin') throw new Refus('invalid_request', 403, 'Cette demande ne vient pas de ce site.', 'réponse postée d\'ailleurs');
  const { state = '' } = recu, t = /^[A-Za-z0-9_-]{43}$/.test(state) ? desceller(cookies(demande)[TRANSACTION + state] ?? '') : null;
  if (t?.state !== state || ['fedcm', 'inline'].includes(t.mode) !== poste) throw perdue('aucune transaction de ce nom dans ce navigateur');
  const fini = cookie(TRANSACTION + state, '', 0);
  reponse.setHeader('Set-Cookie', fini);
  try {
    const nom = await connecter(t, recu);
    sessions.delete(cleDe(cookies(demande)[SESSION] ?? '')); // ce que le navigateur présentait avant ne vaut plus rien
    reponse.setHeader('Set-Cookie', [fini, cookie(SESSION, nom)]);
  } catch (refus) {
    if (!(refus instanceof Refus)) throw refus;
    return refuser(demande, reponse, refus, t);
  }
  if (t.mode === 'redirect') return aller(reponse, t.return_to);
  if (poste) return json(reponse, { return_to: t.return_to });
  return pageDeFenetre(reponse, 'Connexion réussie', 'Cette fenêtre se ferme.', 200, { flow: t.flow, return_to: t.return_to });
}

/** Échange le code, vérifie l'identité, ouvre une session neuve ; son nom. Lève Refus. */
async function connecter(t, recu) {
  if (!egaux(recu.iss, MAG)) throw perdue('iss'); // RFC 9207
  if (recu.error === 'access_denied') throw new Refus('access_denied', 200, 'Vous avez abandonné la connexion.', 'la personne a renoncé');
  if (!recu.code) throw new Refus('server_error', 400, 'Le service d\'authentification n\'a pas pu répondre.', `MAG a répondu ${JSON.stringify(recu.error)}`);
  const qui = Buffer.from(`${encodeURIComponent(CLIENT)}:${encodeURIComponent(SECRET)}`).toString('base64');
  const [statut, jetons] = await appeler(await point('token_endpoint'), {
    method: 'POST', headers: { Authorization: `Basic ${qui}` },
    body: new URLSearchParams({ grant_type: 'authorization_code', code: recu.code, code_verifier: t.verifier, redirect_uri: `${SITE}/auth/mag/callback` }),
  });
  if (statut !== 200) throw perdue(`code refusé : ${statut} ${jetons.error}`);
  const [, identite] = await verifier(jetons.id_token), moitie = empreinte(jetons.access_token).subarray(0, 16).toString('base64url');
  if (!egaux(identite.nonce, t.nonce) || (identite.azp ?? CLIENT) !== CLIENT || (identite.at_hash ?? moitie) !== moitie) throw perdue('nonce, azp ou at_hash');
  const [lu, personne] = await appeler(await point('userinfo_endpoint'), { headers: { Authorization: `Bearer ${jetons.access_token}` } });
  if (lu !== 200 || personne.sub !== identite.sub) throw perdue(`userinfo : ${lu}`);
  const nom = hasard();
  oublier();
  sessions.set(cleDe(nom), { sid: identite.sid, personne, fin: maintenant() + VIE });
  return nom;
}

function dire(demande, reponse) {
  const ici = sessionDe(demande);
  return json(reponse, { active: !!ici, sid_hint: ici ? empreinte(ici.sid).toString('hex').slice(0, 12) : null });
}

/** MAG, et non un navigateur, dit qu'une session est finie. */
async function apprendreLaFin(demande, reponse) {
  try {
    const [entete, avis] = await verifier((await formulaire(demande)).logout_token);
    const estUnAvis = String(entete.typ).toLowerCase() === 'logout+jwt' && typeof avis.events?.[EVENEMENT] === 'object' && !('nonce' in avis);
    if (!estUnAvis || typeof avis.sid !== 'string' || typeof avis.jti !== 'string' || avisRecus.has(avis.jti)) throw perdue('avis');
    oublier();
    avisRecus.set(avis.jti, avis.exp + ECART);
    finies.set(avis.sid, maintenant() + VIE);
  } catch (refus) {
    if (!(refus instanceof Refus)) throw refus;
    const statut = [413, 503].includes(refus.statut) ? refus.statut : 400;
    return json(reponse, { error: statut === 503 ? 'temporarily_unavailable' : 'invalid_request' }, statut);
  }
  return reponse.end();
}

const routes = {
  'GET /auth/mag/start': commencer,
  'GET /auth/mag/callback': revenir,
  'POST /auth/mag/callback': revenir,
  'GET /auth/mag/session': dire,
  'POST /auth/mag/backchannel-logout': apprendreLaFin,
  'GET /': (demande, reponse) => page(reponse, 'Mon portail', 'Bienvenue.'),
  'GET /espace'(demande, reponse) {
    const ici = sessionDe(demande);
    return ici ? json(reponse, { nom: ici.personne.name, siret: ici.personne.siret }) : aller(reponse, '/auth/mag/start?return_to=/espace');
  },
};

createServer(async (demande, reponse) => {
  for (const [nom, valeur] of [['Cache-Control', 'no-store'], ['Referrer-Policy', 'no-referrer'], ['X-Content-Type-Options', 'nosniff']]) reponse.setHeader(nom, valeur);
  try {
    const adresse = new URL(demande.url.replace(/^\/+/, '/'), SITE), route = routes[`${demande.method} ${adresse.pathname}`];
    await (route ? route(demande, reponse, adresse) : page(reponse, 'Page introuvable', 'Cette page n\'existe pas.', 404));
  } catch (erreur) {
    if (erreur instanceof Refus) return refuser(demande, reponse, erreur);
    console.error(erreur);
    page(reponse, 'Erreur', 'Ce site n\'a pas pu répondre.', 500);
  }
}).listen(PORT, '127.0.0.1');
