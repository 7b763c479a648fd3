// A relying party on openid-client: its configuration, and an authorization by the person.
import * as oidc from 'openid-client';
import { signer } from '../keys.mjs';

export async function authentication(given) {
  switch (given.method) {
    case 'private_key_jwt': return oidc.PrivateKeyJwt(await signer(given.key));
    case 'client_secret_jwt': return oidc.ClientSecretJwt(given.secret);
    case 'client_secret_post': return oidc.ClientSecretPost(given.secret);
    case 'self_signed_tls_client_auth': return oidc.TlsClientAuth();
    case 'none': return oidc.None();
    default: return oidc.ClientSecretBasic(given.secret);
  }
}

export async function discovered(given, ...execute) {
  const config = await oidc.discovery(new URL(given.issuer), given.client_id, given.metadata, await authentication(given), {
    execute: [oidc.allowInsecureRequests, ...execute],
  });
  oidc.enableNonRepudiationChecks(config);
  return config;
}

// `build(parameters)` gives the address where the person goes; `read(page)` what comes back.
export async function authorize(config, given, person, { ask = {}, build, read, options, checks = {} } = {}) {
  const verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const nonce = oidc.randomNonce();
  const parameters = {
    redirect_uri: given.redirect_uri, scope: given.scope, state, nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...ask,
  };
  const address = build ? await build(parameters) : oidc.buildAuthorizationUrl(config, parameters);
  const page = await person.go(address);
  const back = read ? read(page) : page.url;
  return oidc.authorizationCodeGrant(config, back, {
    pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true, ...checks,
  }, undefined, options);
}

export const refusal = (error) => error.error ?? error.cause?.error ?? error.status ?? error.cause?.status ?? error.code ?? String(error);
