// docxtemplater: a template object makes one letter only. A zip that is read anew is faster than a clone, whose files are all packed again. Packed at level 1, as Kontor does.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, seconds] = [process.argv[2], Number(process.argv[3])];
const require = createRequire(join(folder, "node_modules/"));
const Docxtemplater = require("docxtemplater");
const PizZip = require("pizzip");
const { version } = require("docxtemplater/package.json");

const letters = JSON.parse(readFileSync(join(folder, "letters.json"))).map((letter) => {
  const flat = { lines: letter.deal.lines };
  for (const group of ["partner", "user", "deal"]) {
    for (const [name, value] of Object.entries(letter[group])) flat[`${group}_${name}`] = value;
  }
  return flat;
});
const bytes = readFileSync(join(folder, "docxtemplater.docx"));

function make(letter) {
  const document = new Docxtemplater(new PizZip(bytes));
  document.render(letter);
  return document.toBuffer({ compressionOptions: { level: 1 } });
}

const cpu = (begin) => {
  const { user, system } = process.cpuUsage(begin);
  return begin ? (user + system) / 1e6 : { user, system };
};

let last;
for (let round = 0; round < 4; round += 1) for (const letter of letters) last = make(letter);
let made = 0;
const begin = cpu();
while (cpu(begin) < seconds) {
  for (const letter of letters) {
    last = make(letter);
    made += 1;
  }
}
const spent = cpu(begin);
writeFileSync(join(folder, "docxtemplater-letter.docx"), last);
console.log(
  `| docxtemplater ${version} (Node ${process.versions.node}) | ${Math.round(made / spent).toLocaleString("en")} | ${((spent / made) * 1000).toFixed(2)} | ${last.length.toLocaleString("en")} |`,
);
