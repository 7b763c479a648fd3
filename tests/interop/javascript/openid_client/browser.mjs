// What comes through the browser: the answer posted by a form, ID tokens before codes (hybrid), and without (implicit).
import * as oidc from 'openid-client';
import { authorize, discovered } from './party.mjs';

export default async function journey(given, person) {
  const config = await discovered(given);
  const posted = await authorize(config, given, person, { ask: { response_mode: 'form_post' }, read: (page) => person.posted(page) });

  const hybrid = await discovered(given, oidc.useCodeIdTokenResponseType, oidc.enableDetachedSignatureResponseChecks);
  const both = await authorize(hybrid, given, person, { checks: { maxAge: undefined } });

  const implicit = await discovered(given, oidc.useIdTokenResponseType);
  const nonce = oidc.randomNonce();
  const state = oidc.randomState();
  const address = oidc.buildAuthorizationUrl(implicit, { redirect_uri: given.redirect_uri, scope: given.scope, nonce, state });
  const { url } = await person.go(address);
  const token = await oidc.implicitAuthentication(implicit, url, nonce, { expectedState: state });
  const form = oidc.buildAuthorizationUrl(implicit, { redirect_uri: given.redirect_uri, scope: 'openid', nonce, response_mode: 'form_post' });
  const alone = await oidc.implicitAuthentication(implicit, person.posted(await person.go(form)), nonce);
  return { posted: posted.claims().sub, hybrid: both.claims().sub, implicit: token.sub, alone: alone.sub, siret: token.siret };
}
