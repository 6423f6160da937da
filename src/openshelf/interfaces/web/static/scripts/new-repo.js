// Says while somebody types whether the name of a new repository can be had.
{
const said = document.getElementById("name-said");
if (said) {
  const form = said.closest("form");
  let timer, asked = 0;
  form.addEventListener("input", (event) => {
    if (!["name", "owner", "kind"].includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const { name, owner, kind } = Object.fromEntries(new FormData(form)), mine = ++asked;
      if (!name) { said.hidden = true; return; }
      const answer = await fetch(`/new/name?${new URLSearchParams({ name, owner, kind })}`).catch(() => null);
      if (!answer?.ok || mine !== asked) return;
      const { problem } = await answer.json();
      said.hidden = false;
      said.className = problem ? "error" : "help";
      said.textContent = problem || said.dataset.free;
    }, 300);
  });
}
}
