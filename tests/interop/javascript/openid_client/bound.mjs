// Tokens bound to a key of the client (DPoP): code, refresh, userinfo, a resource, another key, no key.
import * as oidc from 'openid-client';
import { authorize, discovered, refusal } from './party.mjs';

export default async function journey(given, person) {
  const config = await discovered(given);
  const seen = {};
  for (const alg of ['ES256', 'PS256', 'Ed25519']) {
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg));
    const jkt = await DPoP.calculateThumbprint();
    const first = await authorize(config, given, person, { ask: { dpop_jkt: jkt }, options: { DPoP } });
    const user = await oidc.fetchUserInfo(config, first.access_token, first.claims().sub, { DPoP });
    const second = await oidc.refreshTokenGrant(config, first.refresh_token, undefined, { DPoP });
    const read = await oidc.fetchProtectedResource(config, second.access_token, new URL(`${given.issuer}/userinfo`), 'POST', undefined, undefined, { DPoP });
    const told = await oidc.tokenIntrospection(config, second.access_token);
    const other = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg));
    seen[alg] = {
      token_type: first.token_type,
      sub: user.sub === first.claims().sub,
      read: read.status,
      bound: told.cnf.jkt === jkt && told.token_type,
      rotated: second.refresh_token !== undefined && second.refresh_token !== first.refresh_token,
      other_key: await oidc.fetchUserInfo(config, second.access_token, user.sub, { DPoP: other }).then(() => 'alive', refusal),
      no_key: await oidc.fetchUserInfo(config, second.access_token, user.sub).then(() => 'alive', refusal),
    };
  }
  return seen;
}
