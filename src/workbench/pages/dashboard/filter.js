// Hides the rows of a list that have not all the words that somebody types; without it, all of them are shown.
"use strict";
const filter = document.getElementById("filter");
if (filter) {
  filter.closest("p").hidden = false;
  const rows = Array.from(document.querySelectorAll("table.list tr")).filter((row) => row.querySelector("td"));
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
