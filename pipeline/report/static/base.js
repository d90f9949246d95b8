"use strict";
// Shared by all sections: a choice between views, and tables that are sorted by a click on a heading.

// Makes an element with its properties and children.
const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Views are chosen by buttons, or by a list if their names have more letters than this in all.
const LETTERS = 400;

const buttons = (label, names, show) => {
  const all = names.map((name, index) => {
    const button = make("button", { type: "button", ariaPressed: String(index === 0) }, name);
    button.addEventListener("click", () => {
      for (const other of all) other.ariaPressed = String(other === button);
      show(index);
    });
    return button;
  });
  return make("div", { className: "bar", role: "group", ariaLabel: label }, ...all);
};

const list = (label, names, show) => {
  const select = make("select", {}, ...names.map((name) => make("option", {}, name)));
  select.addEventListener("change", () => show(select.selectedIndex));
  return make("label", { className: "bar" }, label, select);
};

for (const choice of document.querySelectorAll(".choice")) {
  const views = [...choice.querySelectorAll(":scope > .view")];
  if (views.length < 2) continue;
  const names = views.map((view) => view.dataset.name);
  const show = (chosen) => views.forEach((view, index) => { view.hidden = index !== chosen; });
  const control = names.join("").length > LETTERS ? list : buttons;
  choice.prepend(control(choice.dataset.label, names, show));
  show(0);
}

// Numbers are sorted by their full value, from high to low first; other cells by their text.
const sortKey = (row, column) => {
  const cell = row.cells[column];
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
};

const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? b - a
  : typeof a === "number" ? -1
  : typeof b === "number" ? 1
  : a.localeCompare(b, undefined, { numeric: true });

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!table.tHead || body.rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = make("button", { type: "button", className: "sort" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const turn = heading.getAttribute("aria-sort") === "descending" ? -1 : 1;
      for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", turn === 1 ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [sortKey(row, column), row]);
      rows.sort(([a], [b]) => turn * compare(a, b));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// A link into a closed part of the page opens that part.
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let node = target; node; node = node.parentElement) {
    if (node.tagName === "DETAILS") node.open = true;
  }
  if (target) target.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
