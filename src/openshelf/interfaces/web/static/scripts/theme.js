// The colours change at once; the cookie that remembers them is set by the hub.
for (const form of document.querySelectorAll("form.theme")) {
  form.addEventListener("submit", (event) => {
    const chosen = event.submitter;
    if (!chosen) return;
    event.preventDefault();
    if (chosen.value) document.documentElement.dataset.theme = chosen.value;
    else delete document.documentElement.dataset.theme;
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button === chosen));
    const body = new URLSearchParams({ theme: chosen.value, next: "/" });
    fetch(form.action, { method: "POST", body, redirect: "manual" });
  });
}
