// Before anything is drawn: the colors that were chosen last time, else the system's.
(function () {
  let chosen = null;
  try {
    chosen = localStorage.getItem("m2m-theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
