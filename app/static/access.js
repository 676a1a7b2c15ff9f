// What Gradio's components leave unsaid to those who do not see the page: an open accordion, what a group of choices is called, an icon's
// meaning, an empty chart.
(() => {
  const mend = () => {
    for (const button of document.querySelectorAll("button.label-wrap"))
      button.setAttribute("aria-expanded", String(button.classList.contains("open")));
    for (const group of document.querySelectorAll("fieldset:not([aria-label])")) {
      const label = group.querySelector('[data-testid="block-info"]')?.textContent.trim();
      if (label) group.setAttribute("aria-label", label);
    }
    for (const button of document.querySelectorAll('button[aria-label=""]')) button.setAttribute("aria-label", button.title || words.button);
    // Uploads are not handed out again, so the size of one is no link to it.
    for (const link of document.querySelectorAll("#dataset-upload a[download]")) {
      for (const name of ["href", "download"]) link.removeAttribute(name);
      link.textContent = link.textContent.replace("⇣", "").trim();
    }
    for (const empty of document.querySelectorAll("div.empty[aria-label]:not([role])")) empty.setAttribute("role", "img");
  };
  new MutationObserver(studio.parts.onceAFrame(mend)).observe(document, { childList: true, subtree: true, attributeFilter: ["class"] });
})();
