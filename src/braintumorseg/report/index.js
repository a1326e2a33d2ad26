"use strict";
(() => {
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const buttons = [...table.querySelectorAll("thead button")];
  const select = document.getElementById("order");
  const value = (row, column) => row.cells[column].dataset.value;

  function sort(column, direction) {
    const numbers = buttons[column].dataset.kind === "number";
    const rows = [...body.rows];
    rows.sort((a, b) => {
      const [left, right] = [value(a, column), value(b, column)];
      if (left === "" || right === "") return (left === "") - (right === ""); // what is unknown comes last
      const order = numbers ? left - right : left.localeCompare(right, "en", { numeric: true });
      return direction === "descending" ? -order : order;
    });
    body.append(...rows);
    buttons.forEach((button, place) => {
      const head = button.parentElement;
      if (place === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
    select.value = `${column} ${direction}`;
    document.getElementById("said").textContent = `sorted by ${buttons[column].textContent}, ${direction}`;
  }

  buttons.forEach((button, column) => {
    for (const direction of ["ascending", "descending"]) {
      const option = document.createElement("option");
      option.value = `${column} ${direction}`;
      option.textContent = `${button.textContent}, ${direction}`;
      select.append(option);
    }
    button.addEventListener("click", () => {
      const up = button.parentElement.getAttribute("aria-sort") === "ascending";
      sort(column, up ? "descending" : "ascending");
    });
  });
  select.addEventListener("change", () => {
    const [column, direction] = select.value.split(" ");
    sort(Number(column), direction);
  });
  const first = buttons.findIndex((button) => button.parentElement.hasAttribute("aria-sort"));
  select.value = `${first} ascending`;
})();
