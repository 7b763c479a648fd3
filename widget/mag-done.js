/**
 * The end of a popup: the partner's callback page tells the page that opened it, then closes.
 *
 * `BroadcastChannel` stays within the partner's origin and needs no opener, which `Cross-Origin-Opener-Policy` takes away.
 */

const { flow, ...said } = JSON.parse(document.getElementById("mag-done").textContent);
new BroadcastChannel("mag-login-" + flow).postMessage({ flow, ...said });
close();
