// Sign-in, userinfo, introspection, refresh, a second sign-in without a page, revocation, client credentials, sign-out. With `dpop`,
// requests are pushed and every token is bound to a key, as FAPI 2.0 asks.
import * as oidc from 'openid-client';
import { authorize, discovered, refusal } from './party.mjs';

export default async function journey(given, person) {
  const config = await discovered(given);
  const seen = {};
  const options = given.dpop ? { DPoP: oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256')) } : {};
  const asking = (ask = {}) => authorize(config, given, person, {
    ask, options, ...(given.dpop && { build: (asked) => oidc.buildAuthorizationUrlWithPAR(config, asked, options) }),
  });

  const first = await asking();
  seen.claims = first.claims();
  seen.userinfo = await oidc.fetchUserInfo(config, first.access_token, first.claims().sub, options);
  seen.introspection = await oidc.tokenIntrospection(config, first.access_token);

  const second = await oidc.refreshTokenGrant(config, first.refresh_token, undefined, options);
  seen.refreshed = { sub: second.claims().sub, auth_time: second.claims().auth_time, rotated: second.refresh_token !== first.refresh_token };

  const before = person.passwords;
  const hop = await asking({ prompt: 'none' });
  seen.hop = { sub: hop.claims().sub, password_asked: person.passwords > before };

  await oidc.tokenRevocation(config, hop.refresh_token);
  seen.revoked = await oidc.tokenIntrospection(config, hop.access_token);

  const machine = await oidc.clientCredentialsGrant(config, { scope: 'api:lire' }, options);
  seen.machine = { token_type: machine.token_type, scope: machine.scope };

  const end = oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: given.out, id_token_hint: second.id_token, state: 'fini' });
  seen.signed_out = (await person.go(end)).url.href;
  seen.after = await asking({ prompt: 'none' }).then(() => 'a session', refusal);
  seen.dead = await oidc.fetchUserInfo(config, second.access_token, second.claims().sub, options).then(() => 'alive', refusal);
  return seen;
}
