/**
 * The mode `inline` of <mag-login>: MAG's sign-in in a frame of the partner's page. Fetched by mag-login.js when it is asked for.
 *
 * The password is typed in MAG's own document: this page cannot read it. What comes out of the frame is an authorization code, said to
 * this very origin, which the partner's server redeems. Only a browser that tells a frame whether people see it is asked: without that,
 * a frame would be a place to steal clicks, and the next mode takes over. So it does whenever the frame does not come.
 */

const MAG = new URL("../../", import.meta.url);
/** In French, in English. */
const TITLE = ["Connexion avec MAG", "Sign in with MAG"];
/** A frame that was loaded and said nothing was refused: by MAG, or by the policy of this page. Milliseconds, here and below. */
const SILENCE = 1_500;
/** What loading it may take. */
const PATIENCE = 15_000;
const SANDBOX = "allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts";
const LOOK = { border: 0, borderRadius: "12px", colorScheme: "normal", display: "block", height: "30rem", maxWidth: "28rem", width: "100%" };

const read = (address, options) =>
  fetch(address, options)
    .then((answer) => answer.json())
    .catch(() => ({}));

/** Answers true when the next mode is to be tried. `start`, `finish`, `methods`: those of the element. */
export default async (root, start, finish, methods) => {
  const { host } = root;
  const button = root.querySelector("[part=button]");
  const client_id = host.getAttribute("client-id");
  if (!client_id || !("isVisible" in IntersectionObserverEntry.prototype)) return true;
  const { callback, params } = await read(start("inline"));
  if (!params || URL.parse(callback, location)?.origin !== origin) return true;

  const frame = document.createElement("iframe");
  frame.setAttribute("part", "frame");
  frame.setAttribute("sandbox", SANDBOX);
  frame.title = TITLE[+/^en/i.test(host.closest("[lang]")?.lang)];
  frame.src = `${MAG}cadre?${new URLSearchParams({ ...params, client_id, origine: origin })}`;
  Object.assign(frame.style, LOOK);

  return new Promise((resolve) => {
    let heard;
    const end = (next) => {
      removeEventListener("message", hear);
      frame.remove();
      host.style.display = button.style.display = "";
      button.focus();
      resolve(next);
    };
    const unless = () => heard || end(true);
    const said = {
      /** How high its page is: it is shown whole. */
      hauteur(height) {
        if (!heard) frame.focus();
        heard = true;
        frame.style.height = `${height}px`;
      },
      /** RFC 6749 section 4.1.2: a code, or an error. */
      async reponse(fields) {
        if (fields.state !== params.state) return;
        end();
        finish("inline", await read(callback, { method: "POST", body: new URLSearchParams(fields) }));
      },
      /** What a frame must not do goes on in a window of MAG. */
      fenetre() {
        end(methods.popup());
      },
      annuler() {
        end();
        finish("inline", { error: "access_denied" });
      },
    };
    const hear = ({ source, origin: from, data }) => {
      if (source !== frame.contentWindow || from !== MAG.origin) return;
      for (const name in said) if (data[name] !== undefined) said[name](data[name]);
    };
    addEventListener("message", hear);
    frame.onload = () => setTimeout(unless, SILENCE);
    setTimeout(unless, PATIENCE);
    host.style.display = "block";
    button.style.display = "none";
    root.querySelector("[part=status]").before(frame);
  });
};
