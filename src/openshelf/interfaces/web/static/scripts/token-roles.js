// Choosing the role of a token opens and closes what belongs to it.
for (const choice of document.querySelectorAll("input[name=role]")) {
  choice.addEventListener("change", () => {
    const fold = document.querySelector("details.fold");
    if (fold) fold.open = choice.value === "fine-grained" && choice.checked;
  });
}
