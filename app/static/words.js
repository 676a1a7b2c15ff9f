// The texts of these scripts in the browser's language, else in English, and which it is; `texts` comes from the catalogue.
window.words = ((texts) => {
  const wanted = navigator.languages.flatMap((language) => [language, language.split("-")[0]]);
  const language = wanted.find((each) => each in texts) ?? "en";
  return { ...texts[language], language };
})(window.texts);
