// Back to the partner once the frames that tell others have loaded, or after three seconds. Without this script, the page itself goes on.
"use strict";
{
  const back = () => window.location.replace(document.getElementById("retour").href);
  window.addEventListener("load", back);
  window.setTimeout(back, 3000);
}
