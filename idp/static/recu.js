// A receipt read from a paper comes after `#`, which no server is sent: it is put into the form, which its reader sends.
const field = document.getElementById("recu");
const brought = location.hash.slice(1);

if (field && !field.value && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(brought)) {
  field.value = brought;
  history.replaceState(null, "", location.pathname);
  field.form.querySelector("button").focus();
}
