// A site is told that the session ended: the logout token, verified with jose as the site would.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { authorize, discovered } from './party.mjs';

export default async function journey(given, person) {
  let tell;
  const told = new Promise((resolve) => { tell = resolve; });
  const server = createServer(async (request, response) => {
    tell({ url: request.url, type: request.headers['content-type'], form: new URLSearchParams(await text(request)) });
    response.writeHead(200, { 'cache-control': 'no-store' }).end();
  });
  await new Promise((resolve) => { server.listen(given.port, '127.0.0.1', resolve); });

  const config = await discovered(given);
  const tokens = await authorize(config, given, person);
  await person.go(oidc.buildEndSessionUrl(config, { post_logout_redirect_uri: given.out, id_token_hint: tokens.id_token }));
  const { url, type, form } = await told;
  const token = form.get('logout_token');
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri)), {
    issuer: given.issuer, audience: given.client_id, typ: 'logout+jwt', requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid', 'events'],
  });
  return {
    url, type, fields: [...form.keys()], events: payload.events, nonce: payload.nonce ?? null, alg: decodeProtectedHeader(token).alg,
    same: payload.sub === tokens.claims().sub && payload.sid === tokens.claims().sid,
  };
}
