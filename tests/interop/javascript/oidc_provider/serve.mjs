// `oidc-provider`, the engine of ProConnect and FranceConnect, configured as each of them: `node serve.mjs <file>`. The file holds a
// list of { port, as, redirect_uri, out, clients, people }; each becomes a provider at http://127.0.0.1:<port>/api/v2. Of whoever has a
// `lie`, ID tokens are signed again with other claims: a text in the place of one, or seconds added.
import { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import Provider from 'oidc-provider';

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const PATHS = {
  authorization: '/authorize',
  token: '/token',
  userinfo: '/userinfo',
  jwks: '/jwks',
  end_session: '/session/end',
  introspection: '/token/introspection',
  revocation: '/token/revocation',
};
const CERTIFICATION = 'https://proconnect.gouv.fr/assurance/certification-dirigeant';
const AS = {
  proconnect: {
    acrValues: ['eidas0', 'eidas0-mfa', 'eidas1', 'eidas1-mfa', 'eidas2', 'eidas3', CERTIFICATION],
    claims: {
      openid: ['sub'],
      given_name: ['given_name'],
      usual_name: ['usual_name'],
      email: ['email'],
      uid: ['uid'],
      siret: ['siret'],
      siren: ['siren'],
      idp_id: ['idp_id'],
      idp_acr: ['idp_acr'],
      roles: ['roles'],
      amr: null,
    },
    refuses: (asked) => (asked.get('state') ?? '').length < 32 && 'state too short',
  },
  franceconnect: {
    acrValues: ['eidas1'],
    claims: { openid: ['sub'], given_name: ['given_name'], family_name: ['family_name'], preferred_username: ['preferred_username'] },
    refuses: (asked) =>
      (!asked.get('state') && 'state is required')
      || ((asked.get('nonce') ?? '').length < 22 && 'nonce too short')
      || (!asked.get('acr_values') && 'acr_values is required'),
  },
  openid: {
    acrValues: ['urn:exemple:fort'],
    claims: { openid: ['sub'], profile: ['given_name', 'family_name', 'name'], email: ['email'] },
    refuses: () => false,
  },
};

async function keys() {
  const made = [];
  for (const [alg, kid] of [['ES256', 'ec'], ['RS256', 'rsa']]) {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    made.push({ ...(await exportJWK(privateKey)), kid, alg, use: 'sig' });
  }
  return { keys: made };
}

function configuration(given, kind, jwks) {
  return {
    jwks,
    routes: PATHS,
    clients: given.clients.map((client) => ({
      redirect_uris: [given.redirect_uri],
      post_logout_redirect_uris: [given.out],
      response_types: ['code'],
      grant_types: ['authorization_code'],
      ...client,
    })),
    acrValues: kind.acrValues,
    claims: { acr: null, auth_time: null, iss: null, ...kind.claims },
    scopes: Object.keys(kind.claims).filter((name) => name !== 'amr'),
    subjectTypes: given.as === 'franceconnect' ? ['pairwise'] : ['public'],
    pairwiseIdentifier: (ctx, sub, client) => `pairwise-${client.clientId}-${sub}`,
    pkce: { required: () => false },
    responseTypes: ['code'],
    cookies: { keys: ['a secret of these tests'] },
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256', 'RS256'],
      userinfoSigningAlgValues: ['ES256', 'RS256'],
      idTokenEncryptionAlgValues: ['ECDH-ES', 'RSA-OAEP', 'RSA-OAEP-256'],
      idTokenEncryptionEncValues: ['A256GCM'],
      userinfoEncryptionAlgValues: ['ECDH-ES', 'RSA-OAEP', 'RSA-OAEP-256'],
      userinfoEncryptionEncValues: ['A256GCM'],
    },
    features: {
      devInteractions: { enabled: false },
      jwtUserinfo: { enabled: true },
      encryption: { enabled: true },
      claimsParameter: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => {
          const confirmed = form.replace('</form>', '<input type="hidden" name="logout" value="yes"><button>Quitter</button></form>');
          ctx.body = `<!doctype html><meta charset="utf-8"><title>Quitter</title><h1>Quitter</h1>${confirmed}`;
        },
      },
    },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 60, AuthorizationCode: 30, IdToken: 60, Interaction: 600, Session: 1800, Grant: 60 },
    findAccount: (ctx, id) => {
      const person = given.people.find((one) => one.sub === id);
      return person && { accountId: id, claims: () => person };
    },
    // Who signs in has agreed: both of them tell, and do not ask.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(' '));
      grant.addOIDCClaims([...ctx.oidc.requestParamClaims]);
      await grant.save();
      return grant;
    },
  };
}

async function lying(token, jwks, lie) {
  const said = decodeJwt(token);
  const { alg, kid } = decodeProtectedHeader(token);
  for (const [name, value] of Object.entries(lie)) said[name] = typeof value === 'number' ? said[name] + value : value;
  const key = await importJWK(jwks.keys.find((one) => one.kid === kid), alg);
  return new SignJWT(said).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(key);
}

const names = { proconnect: 'ProConnect', franceconnect: 'FranceConnect', openid: 'Fournisseur' };

function page(given, uid, wanted) {
  const buttons = given.people.map(
    (one) => `<p><button name="account" value="${one.sub}">Continuer en tant que ${one.given_name}</button></p>`,
  );
  return `<!doctype html><html lang="fr"><meta charset="utf-8"><title>${names[given.as]} (essai)</title>
<h1>${names[given.as]} : fournisseur d’essai</h1><p>Niveau demandé : ${wanted || 'aucun'}</p>
<form method="post" action="/interaction/${uid}">${buttons.join('')}<p><button name="account" value="">Refuser</button></p></form></html>`;
}

async function answerInteraction(provider, given, request, response) {
  const { uid, params } = await provider.interactionDetails(request, response);
  const essential = params.claims ? JSON.parse(params.claims).id_token?.acr : undefined;
  const wanted = essential?.value ?? essential?.values?.[0] ?? params.acr_values?.split(' ')[0];
  if (request.method === 'GET') {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(page(given, uid, wanted));
    return;
  }
  let body = '';
  for await (const piece of request) body += piece;
  const account = new URLSearchParams(body).get('account');
  const person = given.people.find((one) => one.sub === account);
  const result = person
    ? { login: { accountId: account, acr: person.acr ?? wanted, amr: person.amr ?? ['pwd'], remember: true } }
    : { error: 'access_denied', error_description: 'User authentication aborted' };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

for (const given of JSON.parse(readFileSync(process.argv[2], 'utf-8'))) {
  const kind = AS[given.as];
  const jwks = await keys();
  const provider = new Provider(`http://127.0.0.1:${given.port}/api/v2`, configuration(given, kind, jwks));
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route !== 'token' || ctx.body?.id_token?.split('.').length !== 3) return; // none, or encrypted
    const { lie } = given.people.find((one) => one.sub === decodeJwt(ctx.body.id_token).sub) ?? {};
    if (lie) ctx.body = { ...ctx.body, id_token: await lying(ctx.body.id_token, jwks, lie) };
  });
  provider.on('server_error', (ctx, error) => console.error('server_error', error));
  provider.on('authorization.error', (ctx, error) => console.error('authorization.error', error.error_description ?? error));
  provider.on('grant.error', (ctx, error) => console.error('grant.error', error.error_description ?? error, error.error_detail));
  const answer = provider.callback();
  createServer((request, response) => {
    const asked = new URL(request.url, `http://127.0.0.1:${given.port}`);
    const wrong = asked.pathname === '/api/v2/authorize' && kind.refuses(asked.searchParams);
    if (wrong) {
      response.statusCode = 400;
      response.end(wrong);
    } else if (asked.pathname.startsWith('/interaction/')) {
      answerInteraction(provider, given, request, response).catch((error) => {
        response.statusCode = 500;
        response.end(String(error));
      });
    } else {
      request.originalUrl = request.url;
      request.url = request.url.replace('/api/v2', '') || '/';
      answer(request, response);
    }
  }).listen(given.port, '127.0.0.1');
}
