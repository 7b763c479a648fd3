// A single-page site on oidc-client-ts. Its first folder names its client; each page finishes what sent the browser there.
import { IndexedDbDPoPStore, UserManager, WebStorageStateStore } from '/oidc-client-ts.js';

const { authority } = document.documentElement.dataset;
const client = location.pathname.split('/')[1];
const here = `${location.origin}/${client}`;
const bound = client === 'lie';
const manager = new UserManager({
  authority,
  client_id: client,
  redirect_uri: `${here}/retour`,
  silent_redirect_uri: `${here}/silence`,
  post_logout_redirect_uri: `${here}/fini`,
  scope: 'openid profile email siret',
  loadUserInfo: !bound, // the library reads userinfo as a bearer, whatever the token
  automaticSilentRenew: false,
  userStore: new WebStorageStateStore({ store: sessionStorage }),
  ...(bound && { dpop: { bind_authorization_code: true, store: new IndexedDbDPoPStore() } }),
});

async function userinfo(user) {
  const url = `${authority}/userinfo`;
  const headers = bound
    ? { authorization: `DPoP ${user.access_token}`, dpop: await manager.dpopProof(url, user, 'GET') }
    : { authorization: `Bearer ${user.access_token}` };
  const response = await fetch(url, { headers });
  return { status: response.status, siret: response.ok ? (await response.json()).siret : null };
}

window.site = {
  manager,
  userinfo,
  user: () => manager.getUser(),
  renew: () => manager.signinSilent().catch((error) => error.error ?? String(error)),
  // What a site without refresh token does: a hidden frame, where the browser sends no cookie of another site.
  frame: () => manager.signinSilent({ forceIframeAuth: true }).catch((error) => error.error ?? String(error)),
  revoke: () => manager.revokeTokens().then(() => 'revoked', String),
};

const finish = { retour: () => manager.signinRedirectCallback(), silence: () => manager.signinSilentCallback(), fini: () => manager.signoutRedirectCallback() };
const done = finish[location.pathname.split('/')[2]] ?? (() => undefined);
Promise.resolve(done()).then(() => 'fait', String).then((said) => { document.body.dataset.said = said; });
