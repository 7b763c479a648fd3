// The page of partners' developers: events of the button as they come, and buttons that copy.

const list = document.getElementById("evenements");
for (const name of ["ready", "start", "success", "cancel", "error", "logout"]) {
  addEventListener(`mag:${name}`, (event) => {
    document.getElementById("journal").hidden = false;
    const line = document.createElement("li");
    const detail = event.detail ? ` ${JSON.stringify(event.detail)}` : "";
    line.textContent = `${new Date().toLocaleTimeString("fr")} mag:${name}${detail}`;
    list.append(line);
  });
}

for (const code of document.querySelectorAll("pre > code[id]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button secondary";
  button.textContent = "Copier";
  button.onclick = async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copié";
    setTimeout(() => (button.textContent = "Copier"), 2000);
  };
  const actions = document.createElement("p");
  actions.className = "actions";
  actions.append(button);
  code.parentElement.after(actions);
}
