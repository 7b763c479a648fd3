// A relying party on npm's openid-client, and the browser of its person. Configuration comes on standard input, what was seen
// goes out as one line of JSON.
import { webcrypto } from 'node:crypto';

// Debian 12 has Node 18, which keeps for itself what openid-client asks of the world.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
const oidc = await import('openid-client');

const given = JSON.parse(await new Promise((resolve) => {
  let text = '';
  process.stdin.on('data', (part) => { text += part; }).on('end', () => resolve(text));
}));
const seen = {};
const jar = new Map();

async function visit(url, form) {
  const headers = { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') };
  const body = form && new URLSearchParams(form);
  const response = await fetch(url, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
  for (const line of response.headers.getSetCookie()) {
    const [pair] = line.split(';');
    const at = pair.indexOf('=');
    if (/max-age=0/i.test(line)) jar.delete(pair.slice(0, at)); else jar.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return { response, next: response.headers.get('location') && new URL(response.headers.get('location'), url) };
}

async function follow(url) {
  let { response, next } = await visit(url);
  while (next && !next.href.startsWith(given.redirect_uri)) {
    url = next;
    ({ response, next } = await visit(url));
    if (response.status === 200) {
      const page = await response.text();
      const hidden = Object.fromEntries([...page.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map((m) => [m[1], m[2].replaceAll('&amp;', '&')]));
      ({ response, next } = await visit(new URL('connexion', given.issuer + '/'), { ...hidden, ...given.person }));
      seen.signed_in_with_password = true;
      url = new URL(given.issuer);
    }
  }
  return next;
}

async function authorize(config, extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const request = {
    redirect_uri: given.redirect_uri, scope: given.scope, state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...extra,
  };
  const address = given.dpop ? await oidc.buildAuthorizationUrlWithPAR(config, request, bound) : oidc.buildAuthorizationUrl(config, request);
  const back = await follow(address);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  return oidc.authorizationCodeGrant(config, back, checks, undefined, bound);
}

const authentication = given.key
  ? oidc.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', given.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']), kid: given.key.kid })
  : oidc.ClientSecretBasic(given.client_secret);
const config = await oidc.discovery(new URL(given.issuer), given.client_id, given.metadata, authentication, { execute: [oidc.allowInsecureRequests] });
oidc.enableNonRepudiationChecks(config);
const bound = given.dpop ? { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) } : {};

const first = await authorize(config);
seen.claims = first.claims();
seen.userinfo = await oidc.fetchUserInfo(config, first.access_token, first.claims().sub, bound);
seen.introspection = await oidc.tokenIntrospection(config, first.access_token);

const second = await oidc.refreshTokenGrant(config, first.refresh_token, undefined, bound);
seen.refreshed = { sub: second.claims().sub, auth_time: second.claims().auth_time, rotated: second.refresh_token !== first.refresh_token };

seen.signed_in_with_password = false;
const hop = await authorize(config, { prompt: 'none' });
seen.hop = { sub: hop.claims().sub, password_asked: seen.signed_in_with_password };

await oidc.tokenRevocation(config, hop.refresh_token);
seen.revoked = await oidc.tokenIntrospection(config, hop.access_token);

const machine = await oidc.clientCredentialsGrant(config, { scope: 'api:lire' }, bound);
seen.machine = { token_type: machine.token_type, scope: machine.scope };

const end = oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: given.post_logout_redirect_uri, id_token_hint: second.id_token, state: 'fini' });
seen.signed_out = (await visit(end)).next.href;
seen.after = await authorize(config, { prompt: 'none' }).then(() => 'a session', (error) => error.error);
seen.dead = await oidc.fetchUserInfo(config, second.access_token, second.claims().sub, bound).then(() => 'alive', (error) => error.status ?? error.cause?.status ?? error.code);
process.stdout.write(`${JSON.stringify(seen)}\n`);
