// Private keys, from the JWK that a test gives.
const KINDS = {
  ES256: [{ name: 'ECDSA', namedCurve: 'P-256' }, 'sign'],
  PS256: [{ name: 'RSA-PSS', hash: 'SHA-256' }, 'sign'],
  'ECDH-ES': [{ name: 'ECDH', namedCurve: 'P-256' }, 'deriveBits'],
  'RSA-OAEP-256': [{ name: 'RSA-OAEP', hash: 'SHA-256' }, 'decrypt'],
};

export async function privateKey(jwk, alg = 'ES256') {
  const [algorithm, usage] = KINDS[alg];
  const { kty, crv, x, y, d, n, e, p, q, dp, dq, qi } = jwk;
  return crypto.subtle.importKey('jwk', JSON.parse(JSON.stringify({ kty, crv, x, y, d, n, e, p, q, dp, dq, qi })), algorithm, false, [usage]);
}

export async function signer(jwk, alg = 'ES256') {
  return { key: await privateKey(jwk, alg), kid: jwk.kid };
}
