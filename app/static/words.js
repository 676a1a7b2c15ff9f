// The texts of these scripts in the browser's language, else in English; `texts` comes from the catalogue, by language and name.
window.words = ((texts) => {
  const wanted = navigator.languages.flatMap((language) => [language, language.split("-")[0]]);
  return texts[wanted.find((language) => language in texts) ?? "en"];
})(window.texts);
