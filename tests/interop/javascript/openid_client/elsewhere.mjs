// The person answers on another screen: a device that shows a code (RFC 8628), and a request through the backchannel (CIBA).
import * as oidc from 'openid-client';
import { SignJWT } from 'jose';
import { signer } from '../keys.mjs';
import { discovered, refusal } from './party.mjs';

// The first poll comes at once rather than after five seconds: the person has answered by then.
const soon = (response) => ({ ...response, interval: 0.01 });

async function device(given, person) {
  const config = await discovered(given);
  const asked = await oidc.initiateDeviceAuthorization(config, { scope: given.scope });
  const typed = await person.submit(await person.go(asked.verification_uri), '/device', { code: asked.user_code });
  await person.submit(typed, '/device/confirmation', { reponse: 'accepter' });
  const tokens = await oidc.pollDeviceAuthorizationGrant(config, soon(asked));
  const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  const second = await oidc.refreshTokenGrant(config, tokens.refresh_token);

  const other = await oidc.initiateDeviceAuthorization(config, { scope: given.scope });
  const shown = await person.submit(await person.go(other.verification_uri_complete), '/device', { code: other.user_code });
  await person.submit(shown, '/device/confirmation', { reponse: 'refuser' });
  const refused = await oidc.pollDeviceAuthorizationGrant(config, soon(other)).then(() => 'accepted', refusal);
  return { siret: userinfo.siret, refreshed: second.claims().sub === tokens.claims().sub, refused };
}

async function backchannel(given, person, answer) {
  const config = await discovered(given);
  const { key, kid } = await signer(given.key);
  const now = Math.floor(Date.now() / 1000);
  const request = await new SignJWT({ scope: given.scope, login_hint: given.hint, binding_message: `7F3K ${answer}`, requested_expiry: 120 })
    .setProtectedHeader({ alg: 'ES256', kid }).setIssuer(given.client_id).setAudience(given.issuer)
    .setIssuedAt(now).setNotBefore(now).setExpirationTime(now + 60).setJti(crypto.randomUUID()).sign(key);
  const asked = await oidc.initiateBackchannelAuthentication(config, { request });
  await person.submit(await person.go(`${given.issuer}/demandes`), '/demandes', { reponse: answer });
  const tokens = await oidc.pollBackchannelAuthenticationGrant(config, soon(asked)).catch(refusal);
  return typeof tokens === 'string' ? tokens : tokens.claims();
}

export default async function journey(given, person) {
  return {
    device: await device(given.device, person),
    accepted: await backchannel(given.ciba, person, 'accepter'),
    refused: await backchannel(given.ciba, person, 'refuser'),
  };
}
