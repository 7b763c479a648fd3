// A signed request carried by the browser (JAR by value), and its answer signed, by query and by form (JARM).
import * as oidc from 'openid-client';
import { signer } from '../keys.mjs';
import { authorize, discovered } from './party.mjs';

export default async function journey(given, person) {
  const signing = await signer(given.key);
  const config = await discovered(given, oidc.useJwtResponseMode);
  const build = (asked) => oidc.buildAuthorizationUrlWithJAR(config, asked, signing);
  const plain = await discovered(given); // the other one writes its own response_mode over ours
  const first = await authorize(config, given, person, { build });
  const posted = await authorize(config, given, person, {
    build: (asked) => oidc.buildAuthorizationUrlWithJAR(plain, { ...asked, response_mode: 'form_post.jwt' }, signing),
    read: (page) => person.posted(page),
  });
  return { query: first.claims().sub, form: posted.claims().sub };
}
