// Answers encrypted under the client's keys: ID token, userinfo, introspection, authorization response.
import * as oidc from 'openid-client';
import { privateKey } from '../keys.mjs';
import { authorize, discovered } from './party.mjs';

export default async function journey(given, person) {
  const key = { key: await privateKey(given.decryption, given.alg), alg: given.alg, kid: given.decryption.kid };
  const decrypting = (config) => oidc.enableDecryptingResponses(config, [given.enc], key);
  const config = await discovered(given, decrypting);
  const signed = await discovered(given, decrypting, oidc.useJwtResponseMode);
  const first = await authorize(config, given, person);
  const { id_token, access_token } = first;
  const { sub } = first.claims();
  const userinfo = await oidc.fetchUserInfo(config, access_token, sub);
  const told = await oidc.tokenIntrospection(config, access_token);
  let parts;
  const answered = await authorize(signed, given, person, {
    read: ({ url }) => {
      parts = url.searchParams.get('response').split('.').length;
      return url;
    },
  });
  return { parts: [id_token.split('.').length, parts], sub, siret: userinfo.siret, active: told.active, answered: answered.claims().sub };
}
