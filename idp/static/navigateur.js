// W3C FedCM, continuation and sign-in windows: the browser waits for an answer, or for the window to be closed.
const { compte, reponse } = document.getElementById("navigateur").dataset;
if (self.IdentityProvider) {
  if (reponse && IdentityProvider.resolve) IdentityProvider.resolve(JSON.parse(reponse), { accountId: compte }).catch(() => {});
  else IdentityProvider.close();
}
