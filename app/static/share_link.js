// Makes whole addresses of paths, as the browser reaches the studio, and copies them; without it the fields hold what the server knows.
for (const field of document.querySelectorAll("[data-path]")) field.value = new URL(field.dataset.path, location.href).href;
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  let copied = true;
  try { await navigator.clipboard.writeText(field.value); }
  catch { field.focus(); field.select(); copied = document.execCommand("copy"); }
  document.getElementById("told").textContent = copied ? button.dataset.copied : button.dataset.failed;
});
