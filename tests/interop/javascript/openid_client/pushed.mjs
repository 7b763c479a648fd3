// A signed request object, pushed or carried by the browser, and a signed answer (PAR, JAR, JARM).
import * as oidc from 'openid-client';
import { signer } from '../keys.mjs';
import { authorize, discovered } from './party.mjs';

export default async function journey(given, person) {
  const seen = {};
  const plain = await discovered(given);
  const pushed = await authorize(plain, given, person, { build: (asked) => oidc.buildAuthorizationUrlWithPAR(plain, asked) });
  seen.pushed = pushed.claims().sub;

  const signing = await signer(given.key);
  const config = await discovered(given, oidc.useJwtResponseMode);
  let address;
  const signed = await authorize(config, given, person, {
    build: async (asked) => {
      const signedRequest = await oidc.buildAuthorizationUrlWithJAR(config, asked, signing);
      address = await oidc.buildAuthorizationUrlWithPAR(config, signedRequest.searchParams);
      return address;
    },
    read: (page) => {
      seen.answered = [...page.url.searchParams.keys()];
      return page.url;
    },
  });
  seen.asked = [...address.searchParams.keys()].sort();
  seen.signed = signed.claims().sub;
  return seen;
}
