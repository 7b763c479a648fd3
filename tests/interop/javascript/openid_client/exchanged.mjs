// Grants by their names: a service exchanges the token it received (RFC 8693), a software acts by its key alone (RFC 7523).
import * as oidc from 'openid-client';
import { SignJWT } from 'jose';
import { signer } from '../keys.mjs';
import { authorize, discovered } from './party.mjs';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

export default async function journey(given, person) {
  const portal = await discovered(given.portal);
  const first = await authorize(portal, given.portal, person, { ask: { scope: 'openid email offline_access' } });

  const service = await discovered(given.service);
  const exchanged = await oidc.genericGrantRequest(service, EXCHANGE, {
    subject_token: first.access_token, subject_token_type: ACCESS_TOKEN, audience: 'https://dsn.test', scope: 'email',
  });
  const next = await oidc.tokenIntrospection(service, exchanged.access_token);

  const { key, kid } = await signer(given.portal.key);
  const assertion = await new SignJWT({ grant_id: first.grant_id })
    .setProtectedHeader({ alg: 'ES256', kid }).setIssuer(given.portal.client_id).setSubject(first.claims().sub).setAudience(given.portal.issuer)
    .setIssuedAt().setExpirationTime('2m').setJti(crypto.randomUUID()).sign(key);
  const acted = await oidc.genericGrantRequest(portal, BEARER, { assertion });
  return {
    type: exchanged.issued_token_type,
    next: { aud: next.aud, scope: next.scope, act: next.act },
    acted: (await oidc.fetchUserInfo(portal, acted.access_token, first.claims().sub)).email,
  };
}
