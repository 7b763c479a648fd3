// A client that registers itself (RFC 7591), works, then is read, changed and removed (RFC 7592).
import * as oidc from 'openid-client';
import { authorize, refusal } from './party.mjs';

// The library would send the secret in the body, whatever the method registered: it is told the one of RFC 7591's silence.
export default async function journey(given, person) {
  const config = await oidc.dynamicClientRegistration(new URL(given.issuer), {
    client_name: 'Client qui s’inscrit', redirect_uris: [given.redirect_uri], grant_types: ['authorization_code', 'refresh_token'], scope: given.scope,
  }, oidc.ClientSecretBasic(), { execute: [oidc.allowInsecureRequests] });
  const made = config.clientMetadata();
  const tokens = await authorize(config, given, person);
  const second = await oidc.refreshTokenGrant(config, tokens.refresh_token);

  const manage = (method, body) => fetch(made.registration_client_uri, {
    method, body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${made.registration_access_token}`, ...(body && { 'content-type': 'application/json' }) },
  });
  const { client_id_issued_at, client_secret_expires_at, registration_client_uri, registration_access_token, ...held } = await (await manage('GET')).json();
  const changed = await (await manage('PUT', { ...held, client_name: 'Client renommé' })).json();
  return {
    consents: person.consents, alg: made.id_token_signed_response_alg, refreshed: second.claims().sub === tokens.claims().sub,
    expires: made.client_secret_expires_at, read: held.client_name, changed: changed.client_name, removed: (await manage('DELETE')).status,
    after: await oidc.clientCredentialsGrant(config).then(() => 'alive', refusal),
  };
}
