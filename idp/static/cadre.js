// A page of MAG in the frame of a partner's. It speaks to that page's origin alone, and lets nobody press what people do not see.
const frame = document.getElementById("cadre");
const { page, reponse } = frame.dataset;
const say = (message) => parent.postMessage(message, page);

if (reponse) say({ reponse: JSON.parse(reponse) });
for (const button of document.querySelectorAll("[data-dire]")) button.addEventListener("click", () => say({ [button.dataset.dire]: true }));

// Seen for a whole second, and wide enough to be read: IntersectionObserver v2 answers false under another element, through an
// opacity, a filter or a transformation. It does not see `clip-path` (docs/securite.md).
const WIDTH = 300, HEIGHT = 380, LONG = 1000;
const form = document.getElementById("identification");
const submit = document.getElementById("entrer");
const guard = document.getElementById("garde");
let timer, watch;

function lock(locked) {
  submit.disabled = locked;
  guard.textContent = locked ? "Le bouton s'active dès que ce cadre est entièrement visible." : "";
}

function look(entries) {
  const { isVisible, intersectionRect: { width, height } } = entries.at(-1);
  clearTimeout(timer);
  if (!isVisible || width < WIDTH || height < HEIGHT) lock(true);
  else if (submit.disabled) timer = setTimeout(lock, LONG, false);
}

if (form && !("isVisible" in IntersectionObserverEntry.prototype)) form.remove();
else if (form) {
  const threshold = Array.from({ length: 41 }, (_, step) => step / 40);
  watch = new IntersectionObserver(look, { threshold, trackVisibility: true, delay: 100 });
  form.addEventListener("submit", (event) => submit.disabled && event.preventDefault(), { capture: true });
}

// Its height is the page's to give; a frame that is made smaller, whole as it may be, is looked at again.
new ResizeObserver(() => {
  say({ hauteur: Math.ceil(frame.getBoundingClientRect().bottom + scrollY) });
  watch?.unobserve(frame);
  watch?.observe(frame);
}).observe(frame);
