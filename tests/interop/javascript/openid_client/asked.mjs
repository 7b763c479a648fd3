// What an authorization request may ask: claims, an age, a level, a resource, a new sign-in, a hint of the person.
import * as oidc from 'openid-client';
import { authorize, discovered, refusal } from './party.mjs';

export default async function journey(given, person) {
  const config = await discovered(given);
  const seen = { signed_metadata: 'signed_metadata' in config.serverMetadata() };
  const claims = { id_token: { siret: { essential: true }, acr: { essential: true, values: ['eidas1'] } }, userinfo: { email: null } };
  const first = await authorize(config, given, person, {
    ask: { scope: 'openid', claims: JSON.stringify(claims), max_age: '3600', acr_values: 'eidas1', ui_locales: 'fr-FR' },
    checks: { maxAge: 3600 },
  });
  seen.claims = first.claims();
  seen.email = (await oidc.fetchUserInfo(config, first.access_token, first.claims().sub)).email;

  const again = await authorize(config, given, person, { ask: { prompt: 'login', login_hint: 'anne@exemple.fr' } });
  seen.passwords = person.passwords;
  seen.moved = again.claims().auth_time >= first.claims().auth_time;
  const aimed = await authorize(config, given, person, { ask: { prompt: 'none', resource: given.resource } });
  seen.audience = (await oidc.tokenIntrospection(config, aimed.access_token)).aud;
  seen.elsewhere = await oidc.fetchUserInfo(config, aimed.access_token, aimed.claims().sub).then(() => 'read', refusal);
  const hinted = await authorize(config, given, person, { ask: { prompt: 'none', id_token_hint: first.id_token } });
  seen.hinted = hinted.claims().sub === first.claims().sub;
  seen.level = await authorize(config, given, person, {
    ask: { claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['eidas3'] } } }) },
  }).then(() => 'signed in', refusal);
  return seen;
}
