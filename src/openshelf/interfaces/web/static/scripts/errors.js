// What went wrong takes the focus.
document.getElementById("errors")?.focus();
