// The row of every line of the columns, and where on the page it stands.
return [...document.querySelectorAll(".three:has(.unit)")].map((three) =>
  [...three.querySelectorAll(".unit")].map((unit) =>
  [unit.style.getPropertyValue("--row"), unit.getBoundingClientRect().top]))
