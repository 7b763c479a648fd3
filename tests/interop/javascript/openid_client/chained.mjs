// A chain of two exchanges (RFC 8693), each service proving a key of its own (RFC 9449), and what is refused on the way.
import * as oidc from 'openid-client';
import { authorize, discovered, refusal } from './party.mjs';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const FIRST = 'https://dsn.test';
const SECOND = 'https://caisse.test';

async function holder(given) {
  const config = await discovered(given);
  const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'));
  const exchange = (token, audience, options = { DPoP }) =>
    oidc.genericGrantRequest(config, EXCHANGE, { subject_token: token, subject_token_type: ACCESS_TOKEN, audience, scope: 'email' }, options);
  return { config, DPoP, exchange };
}

const refused = (promise) => promise.then(() => 'given', refusal);

export default async function journey(given, person) {
  const portal = await holder(given.portal);
  const paie = await holder(given.service);
  const caisse = await holder(given.next);
  const subject = await authorize(portal.config, given.portal, person, {
    ask: { scope: 'openid email', dpop_jkt: await portal.DPoP.calculateThumbprint() }, options: { DPoP: portal.DPoP },
  });

  const first = await paie.exchange(subject.access_token, FIRST);
  const second = await caisse.exchange(first.access_token, SECOND);
  const told = await oidc.tokenIntrospection(caisse.config, second.access_token);
  const before = await oidc.tokenIntrospection(portal.config, subject.access_token);
  return {
    types: [subject.token_type, first.token_type, second.token_type],
    told: { aud: told.aud, scope: told.scope, act: told.act },
    bound: told.cnf.jkt === await caisse.DPoP.calculateThumbprint(),
    no_longer: told.exp <= before.exp,
    without_a_key: await refused(paie.exchange(subject.access_token, FIRST, {})),
    link_without_a_key: await refused(caisse.exchange(first.access_token, SECOND, {})),
    wrong_audience: await refused(paie.exchange(subject.access_token, SECOND)),
    not_aimed_at_it: await refused(paie.exchange(second.access_token, FIRST)),
  };
}
