// Mutual TLS. The library sends what the environment's TLS layer presents; here its fetch plays the reverse proxy that ends TLS
// and writes the certificate in a header.
import * as oidc from 'openid-client';
import { authorize, discovered, refusal } from './party.mjs';

export default async function journey(given, person) {
  const config = await discovered(given);
  const bare = await discovered(given);
  config[oidc.customFetch] = (url, options) => fetch(url, { ...options, headers: { ...options.headers, 'x-client-cert': given.certificate } });
  const first = await authorize(config, given, person);
  const second = await oidc.refreshTokenGrant(config, first.refresh_token);
  const told = await oidc.tokenIntrospection(config, second.access_token);
  return {
    sub: first.claims().sub,
    userinfo: (await oidc.fetchUserInfo(config, second.access_token, first.claims().sub)).sub,
    bound: told.cnf['x5t#S256'],
    machine: (await oidc.clientCredentialsGrant(config, { scope: 'api:lire' })).scope,
    stolen: await oidc.fetchUserInfo(bare, second.access_token, first.claims().sub).then(() => 'alive', refusal),
    nobody: await oidc.clientCredentialsGrant(bare, { scope: 'api:lire' }).then(() => 'alive', refusal),
  };
}
