// carbone: a path in, a buffer out; it reads the template at each letter and has nothing to keep it by.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const [folder, seconds] = [process.argv[2], Number(process.argv[3])];
const require = createRequire(join(folder, "node_modules/"));
const carbone = require("carbone");
const { version } = require("carbone/package.json");

const letters = JSON.parse(readFileSync(join(folder, "letters.json")));
const template = join(folder, "carbone.docx");
const render = promisify(carbone.render.bind(carbone));
const make = (letter) => render(template, letter, {});

const cpu = (begin) => {
  const { user, system } = process.cpuUsage(begin);
  return begin ? (user + system) / 1e6 : { user, system };
};

let last;
for (let round = 0; round < 4; round += 1) for (const letter of letters) last = await make(letter);
let made = 0;
const begin = cpu();
while (cpu(begin) < seconds) {
  for (const letter of letters) {
    last = await make(letter);
    made += 1;
  }
}
const spent = cpu(begin);
writeFileSync(join(folder, "carbone-letter.docx"), last);
console.log(
  `| carbone ${version} (Node ${process.versions.node}) | ${Math.round(made / spent).toLocaleString("en")} | ${((spent / made) * 1000).toFixed(2)} | ${last.length.toLocaleString("en")} |`,
);
// Its watcher for LibreOffice would keep the process.
process.exit(0);
