/**
 * <mag-login>: the button that signs people in with MAG, on a partner's page.
 *
 * The address of this very file says where MAG is. Whatever the mode, it is one protocol: the partner's server makes the request
 * (`start`) and redeems the code (`callback`). No password and no token ever reaches the page; a code does, with FedCM and with the
 * frame, and is worth nothing without that server. Nothing is kept on the partner's origin, nothing is asked of a third party.
 *
 * Left out on purpose: polling a window, messages between windows, whatever needs the cookies of a third party. A browser too old
 * for it keeps the link that the element holds, which signs in as well.
 */

/** The hash of `mag-inline.js`: the release writes it, so that the page's own hash vouches for both files. */
const INTEGRITY = "";
/** What nobody refuses so fast: the browser did. Milliseconds, here and below. */
const QUICK = 500;
/** What a window of the browser may take. */
const PATIENCE = 120_000;
/** A request made ahead serves that long; its transaction lives twice as long. */
const FRESH = 300_000;
/** Between two looks at the session. */
const THROTTLE = 5_000;
const HEARTBEAT = 60_000;

const MAG = new URL("../../", import.meta.url);

/** In French, in English. */
const WORDS = {
  signin: ["Se connecter avec MAG", "Sign in with MAG"],
  continue: ["Continuer avec MAG", "Continue with MAG"],
  link: ["Associer mon identité MAG", "Link my MAG identity"],
  what: ["Qu’est-ce que MAG ?", "What is MAG?"],
  window: ["Continuez dans la fenêtre.", "Continue in the window."],
  reopen: ["Rouvrir la fenêtre", "Reopen the window"],
  here: ["Continuer dans cette page", "Continue in this page"],
  error: ["La connexion a échoué. Réessayez.", "Sign-in failed. Try again."],
  logout: ["Session terminée.", "Session ended."],
};

const STYLE = new CSSStyleSheet();
STYLE.replaceSync(`
:host(:not([hidden])) { display: inline-block }
a, button { display: inline-flex; align-items: center; gap: .6em; min-height: 38px; margin: .2em .6em .2em 0; font: inherit; color: inherit }
:focus-visible { outline: 3px solid var(--mag-focus, #c60); outline-offset: 2px }
[part=button], button { padding: 0 1em; border: 2px solid; border-radius: var(--mag-radius, 8px); background: none }
[part=button] {
  --b: var(--mag-bg, light-dark(#0d5c5f, #63d2c6)); border-color: var(--mag-border, #0000); background: var(--b);
  color: var(--mag-fg, light-dark(#fff, #000)); font-weight: 600; text-decoration: none
}
[part=button]:hover { background: var(--mag-bg-hover, var(--b)); text-decoration: underline }
i { border: .6em double; border-radius: 50% }
`);

/** What each element of this page does when something happens around it. */
const living = new Set();
/** Whether a sign-in is under way: one for the page, however many buttons it holds. */
let busy;
/** Opens the window of that sign-in again. */
let again;
/** The passive request of `auto`, and when it is over: browsers take one request at a time. */
let silent;
let over;

const tabs = new BroadcastChannel("mag-session");
const clock = () => performance.now();

/** An address of this very site, or nothing. */
const own = (text) => {
  const found = text && URL.parse(text, location);
  return found?.origin === origin && found;
};

/** What the partner's server says in JSON, whatever the status; an empty answer when it cannot be read. */
const read = (address, options) =>
  fetch(address, options)
    .then((answer) => answer.json())
    .catch(() => ({}));

const make = (parent, name, part) => {
  const made = document.createElement(name);
  made.setAttribute("part", part);
  parent.append(made);
  return made;
};

/** One element: its parts, its words, its sign-in. */
const furnish = (host) => {
  const focused = host.contains(document.activeElement);
  const root = host.attachShadow({ mode: "open", delegatesFocus: true });
  root.adoptedStyleSheets = [STYLE];
  const button = make(root, "a", "button");
  make(button, "i", "logo");
  const label = make(button, "span", "label");
  const status = make(root, "div", "status");
  const actions = make(root, "div", "actions");
  const reopen = make(actions, "button", "action");
  const here = make(actions, "button", "action");
  const help = make(root, "a", "help");

  let active;
  let asked;
  let at;
  let looked;
  let said;

  // ------------------------------------------------------------------------------------------------- what the page asks

  const given = (name) => host.getAttribute(name);
  const digits = (name) => given(name)?.replace(/\D/g, "");
  const modes = () => (given("modes") ?? "fedcm redirect").split(/\s+/);
  const fedcmWorks = () => self.IdentityCredential && given("client-id") && modes().includes("fedcm");

  /** Where the partner's server starts a sign-in. */
  const start = (mode, flow) => {
    const found = own(given("start")) || own("/auth/mag/start");
    const more = { mode, flow, return_to: given("return-to"), login_hint: digits("login-hint") };
    for (const name in more) if (more[name]) found.searchParams.set(name, more[name]);
    return found.href;
  };

  // -------------------------------------------------------------------------------------------------------------- what it says

  const write = () => {
    const language = +/^en/i.test(host.closest("[lang]")?.lang);
    const name = /^(continue|link)$/.exec(given("label"))?.[0] ?? "signin";
    const put = (part, word) => (part.textContent = WORDS[word]?.[language] ?? "");
    put(label, name);
    put(status, said);
    put(reopen, "reopen");
    put(here, "here");
    put(help, "what");
    button.href = start();
  };
  const say = (word) => {
    said = word;
    write();
  };
  /** Whether nobody prevented what follows. Says what the event is called, when there are words for it. */
  const tell = (name, detail) => {
    say(name);
    return host.dispatchEvent(new CustomEvent("mag:" + name, { bubbles: true, composed: true, cancelable: true, detail }));
  };

  // ------------------------------------------------------------------------------------------------------------------- session

  /** Other tabs of the site look for themselves. */
  const become = (is) => {
    const before = active;
    host.toggleAttribute("signed-in", (active = is));
    if (before === !is) tabs.postMessage(1);
    if (before && !is) {
      navigator.credentials?.preventSilentAccess();
      tell("logout");
    }
  };

  /** Whether someone is signed in at the partner, as its server says; a session that ended is told. */
  const probe = async (now) => {
    const address = own(given("session"));
    if (!address || (!now && clock() - looked < THROTTLE)) return active;
    looked = clock();
    const found = (await read(address)).active;
    if (found === !!found) become(found);
    return active;
  };

  /** What the partner's server said at the end of a sign-in. */
  const finish = (method, { return_to, error, correlation_id }) => {
    if (error === "access_denied") return tell("cancel", { reason: error });
    if (!return_to) return tell("error", { error: error || "server_error", correlation_id });
    become(true);
    if (tell("success", { method, return_to }) && own(return_to)) location = return_to;
  };

  // ------------------------------------------------------------------------------------------------------------------- sign-in

  /** The request that FedCM carries. Made ahead, it does not spend the click's few seconds on the network; it serves once. */
  const prepared = (ahead) => {
    if (!(clock() - at < FRESH)) {
      asked = read(start("fedcm"));
      at = clock();
    }
    if (!ahead) at = undefined;
    return asked;
  };

  /** The person's choice in the browser's window, which the partner's server redeems. */
  const choose = async ({ callback, params }, signal, mediation, mode) => {
    const providers = [
      {
        configURL: MAG + "fedcm/config.json",
        clientId: given("client-id"),
        params,
        loginHint: digits("login-hint"),
        domainHint: digits("domain-hint"),
      },
    ];
    const { token } = await navigator.credentials.get({ identity: { mode, providers }, mediation, signal });
    finish("fedcm", await read(own(callback), { method: "POST", body: new URLSearchParams(token) })); // the answer of RFC 6749 section 4.1.2
  };

  /** Each answers true when it cannot, and the next one may. */
  const methods = {
    /** The browser's own chooser of accounts (W3C FedCM). After a quick refusal the click still lives. */
    async fedcm() {
      const found = await prepared();
      if (!found.params) return true;
      silent?.abort();
      await over;
      say("window");
      const signal = AbortSignal.timeout(PATIENCE);
      const began = clock();
      try {
        await choose(found, signal, undefined, "active");
      } catch ({ error, url }) {
        if (!error && clock() - began < QUICK) return true;
        if (error !== undefined) finish("fedcm", { error, correlation_id: url?.split("trace=")[1] });
        else tell("cancel", { reason: signal.aborted ? "timeout" : "dismissed" });
      }
    },

    /** The journey of `redirect` in a window of its own, which ends at the partner's callback and says so to this page. */
    popup() {
      const flow = crypto.randomUUID();
      again = () => open(start("popup", flow), "", "width=520,height=760");
      if (!again()) return true;
      say("window");
      actions.hidden = false;
      return new Promise((resolve) => {
        const channel = new BroadcastChannel("mag-login-" + flow);
        const end = (data) => {
          if (actions.hidden) return;
          channel.close();
          removeEventListener("focus", look);
          actions.hidden = true;
          finish("popup", data);
          resolve();
        };
        const look = async () => (await probe(true)) && end({ return_to: given("return-to") ?? location.href });
        channel.onmessage = ({ data }) => data.flow === flow && end(data);
        addEventListener("focus", look);
      });
    },

    /** A frame of MAG, on this page. What it takes more is fetched now; what is not what was released does not run. */
    inline: () =>
      new Promise((resolve) => {
        const link = make(root, "link", "frame");
        link.rel = "modulepreload";
        link.integrity = INTEGRITY;
        link.onerror = resolve;
        link.onload = async () => resolve((await import(link.href)).default(root, start, finish, methods));
        link.href = new URL("mag-inline.js", import.meta.url);
      }),

    redirect() {
      location = start();
    },
  };

  button.onclick = async (event) => {
    if (top !== self || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (busy) return event.detail < 2 && again?.(); // the second half of a double click asks nothing more
    busy = true;
    for (const method of [...modes(), "redirect"]) {
      if (!methods[method] || (method === "fedcm" && !fedcmWorks())) continue;
      tell("start", { method });
      if (!(await methods[method]())) break;
    }
    busy = again = null;
  };
  button.onpointerenter = button.onfocus = () => fedcmWorks() && prepared(true);
  reopen.onclick = () => again();
  here.onclick = methods.redirect;
  actions.hidden = true;
  status.role = "status";
  button.target = help.target = "_top";
  help.href = MAG + "qu-est-ce-que-mag";
  write();
  if (focused) button.focus();

  /** `auto`: whoever already came by FedCM is signed in without a gesture. Nothing waits for it, a click ends it. */
  const silently = async (is) => {
    if (is || given("auto") === null || silent || busy || !fedcmWorks()) return;
    silent = new AbortController();
    const found = await prepared();
    if (found.params && !busy) over = choose(found, silent.signal, "silent").catch(() => {});
  };

  new MutationObserver(() => {
    at = undefined;
    write();
  }).observe(host, { attributes: true });

  /** What happens around, for an element that has the attribute `what`; without waiting for what this page may not have seen (`now`). */
  return (what, now) => {
    write();
    if (!what) {
      tell("ready");
      probe().then(silently);
    } else if (!document.hidden && given(what) !== null) probe(now);
  };
};

class MagLogin extends HTMLElement {
  #told = furnish(this);
  connectedCallback() {
    living.add(this.#told);
    this.#told();
  }
  disconnectedCallback() {
    living.delete(this.#told);
  }
}

if (URL.parse && !customElements.get("mag-login")) {
  customElements.define("mag-login", MagLogin);
  const every = (what, now) => () => living.forEach((told) => told(what, now));
  addEventListener("pageshow", (event) => event.persisted && every("session", 1)());
  addEventListener("visibilitychange", every("session"));
  tabs.onmessage = every("session", 1);
  new MutationObserver(every("session")).observe(document, { attributeFilter: ["lang"], subtree: true });
  setInterval(every("heartbeat"), HEARTBEAT);
}
