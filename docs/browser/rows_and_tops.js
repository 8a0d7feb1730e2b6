// The row of every line of the columns, and its height on the page.
return [...document.querySelectorAll(".three:has(.unit)")].map((three) =>
  [...three.querySelectorAll(".unit")].map((unit) =>
  [unit.style.getPropertyValue("--row"), unit.getBoundingClientRect().top]))
