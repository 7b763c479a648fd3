// FAPI 2.0 by hand: pushed request, signed client assertion, DPoP with the nonces that MAG asks for, code, userinfo, refresh;
// then message signing, where the request is signed and so is the answer.
import * as oauth from 'oauth4webapi';
import { signer } from '../keys.mjs';

const insecure = { [oauth.allowInsecureRequests]: true };

export default async function journey(given, person) {
  const issuer = new URL(given.issuer);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...insecure, algorithm: 'oauth2' }));
  const signing = await signer(given.key);
  const client = { client_id: given.client_id, ...given.metadata };
  const authentication = oauth.PrivateKeyJwt(signing);
  const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256', { extractable: false }));
  const seen = { nonces: 0 };
  const options = { ...insecure, DPoP };

  // One more try with the nonce that the refusal brought.
  const insisting = async (call) => call().catch((error) => {
    if (!oauth.isDPoPNonceError(error)) throw error;
    seen.nonces += 1;
    return call();
  });

  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const nonce = oauth.generateRandomNonce();
  let asked = new URLSearchParams({
    client_id: given.client_id, redirect_uri: given.redirect_uri, response_type: 'code', scope: given.scope, state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    ...(given.signed && { response_mode: 'jwt' }),
  });
  if (given.signed) asked = new URLSearchParams({ request: await oauth.issueRequestObject(as, client, asked, signing) });
  const pushed = await insisting(async () => oauth.processPushedAuthorizationResponse(as, client,
    await oauth.pushedAuthorizationRequest(as, client, authentication, asked, options)));

  const address = new URL(as.authorization_endpoint);
  address.search = new URLSearchParams({ client_id: given.client_id, request_uri: pushed.request_uri });
  const { url } = await person.go(address);
  seen.answered = [...url.searchParams.keys()].sort();
  const validated = given.signed
    ? await oauth.validateJwtAuthResponse(as, client, url, state, insecure)
    : oauth.validateAuthResponse(as, client, url, state);

  const tokens = await insisting(async () => oauth.processAuthorizationCodeResponse(as, client,
    await oauth.authorizationCodeGrantRequest(as, client, authentication, validated, given.redirect_uri, verifier, options),
    { expectedNonce: nonce, requireIdToken: true }));
  const { sub } = oauth.getValidatedIdTokenClaims(tokens);
  seen.token_type = tokens.token_type;
  const userinfo = await insisting(async () => oauth.processUserInfoResponse(as, client, sub,
    await oauth.userInfoRequest(as, client, tokens.access_token, options)));
  seen.siret = userinfo.siret;

  const refresh = async () => insisting(async () => oauth.processRefreshTokenResponse(as, client,
    await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, options)));
  const second = await refresh();
  const third = await refresh();
  seen.rotated = [second, third].map((one) => one.refresh_token !== undefined && one.refresh_token !== tokens.refresh_token);

  const revoked = await oauth.revocationRequest(as, client, authentication, tokens.refresh_token, insecure);
  await oauth.processRevocationResponse(revoked);
  const told = await oauth.processIntrospectionResponse(as, client,
    await oauth.introspectionRequest(as, client, authentication, third.access_token, insecure));
  seen.active = told.active;
  return seen;
}
