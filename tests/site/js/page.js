import { find } from "./search.js";

const index = await (await fetch("searchindex.json")).json();
document.querySelector("#search").textContent = `Found: ${find(index, "accept").join(", ")}`;
const fonts = await document.fonts.load("16px Blocks");
document.querySelector("#font").textContent = fonts.length ? "The font is loaded." : "No font.";
