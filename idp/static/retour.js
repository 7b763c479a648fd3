// OAuth 2.0 Form Post Response Mode: the answer goes on by itself; without JavaScript, the button sends it.
document.getElementById("retour").submit();
