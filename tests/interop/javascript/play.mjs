// Plays one journey of a relying party: `node play.mjs openid_client/pushed.mjs`. What it needs comes on standard input, what
// it saw goes out, as JSON.
import { webcrypto } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { Person } from './person.mjs';

// Debian 12 has Node 18, which keeps for itself what these libraries ask of the world.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const given = JSON.parse(await text(process.stdin));
const { default: journey } = await import(`./${process.argv[2]}`);
const seen = await journey(given, new Person(given.issuer, given.identity));
process.stdout.write(`${JSON.stringify(seen)}\n`);
process.exit(0);
