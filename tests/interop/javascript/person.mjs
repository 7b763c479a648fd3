// The browser of a person: cookies, redirects and the forms of MAG's pages. They sign in and consent whenever they are asked to.
export class Person {
  constructor(issuer, identity) {
    this.issuer = issuer;
    this.identity = identity;
    this.cookies = new Map();
    this.passwords = 0;
    this.consents = 0;
  }

  async request(url, form) {
    const headers = { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
    const body = form && new URLSearchParams(form);
    const response = await fetch(url, { method: body ? 'POST' : 'GET', body, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [name, ...value] = line.split(';')[0].split('=');
      if (/max-age=0/i.test(line)) this.cookies.delete(name); else this.cookies.set(name, value.join('='));
    }
    return response;
  }

  // To a page, or to an address that is not MAG's: `{ url, text }`.
  async go(url, form) {
    for (let hops = 0; hops < 12; hops += 1) {
      const response = await this.request(url, form);
      form = undefined;
      const next = response.headers.get('location');
      if (next) {
        url = new URL(next, url);
        if (url.origin !== new URL(this.issuer).origin) return { url };
        continue;
      }
      const text = await response.text();
      if (response.status >= 400) throw new Error(`${response.status} at ${url}: ${text}`);
      if (text.includes('type="password"')) {
        this.passwords += 1;
        ({ url, form } = fill({ url, text }, '/connexion', this.identity));
      } else if (text.includes('/authorize/consentement"')) {
        this.consents += 1;
        ({ url, form } = fill({ url, text }, '/consentement', { reponse: 'accepter' }));
      } else return { url, text };
    }
    throw new Error(`too many redirects, at ${url}`);
  }

  // Send the form of a page whose action ends so.
  async submit(page, action, fields) {
    const filled = fill(page, action, fields);
    return this.go(filled.url, filled.form);
  }

  // What an answer by form_post would have the browser send.
  posted(page) {
    const { url, form } = fill(page, '', {});
    return new Request(url, { method: 'POST', body: new URLSearchParams(form) });
  }
}

function fill(page, action, fields) {
  const forms = page.text.matchAll(/<form[^>]*\baction="([^"]*)"[^>]*>(.*?)<\/form>/gs);
  const [, address, inside] = [...forms].find(([, found]) => plain(found).endsWith(action)) ?? [];
  if (address === undefined) throw new Error(`no form ${action} at ${page.url}: ${page.text}`);
  const hidden = [...inside.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)].map(([, name, value]) => [name, plain(value)]);
  return { url: new URL(plain(address), page.url), form: { ...Object.fromEntries(hidden), ...fields } };
}

function plain(text) {
  return text.replace(/&(#\d+|#x[0-9a-f]+|amp|lt|gt|quot);/gi, (_, name) =>
    ({ amp: '&', lt: '<', gt: '>', quot: '"' })[name] ?? String.fromCodePoint(Number(name.slice(1).replace(/^x/i, '0x'))));
}
