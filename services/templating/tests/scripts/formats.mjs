// Writes tests/data/formats.tsv: what ICU (in Node's Intl) answers for numbers, money, dates and plurals, to compare the engine with.
// Run in services/templating: node tests/scripts/formats.mjs
import { writeFileSync } from "node:fs";

const locales = ["en", "en-GB", "de", "de-AT", "de-CH", "fr", "fr-CH", "nl", "es", "it", "pl"];
const amounts = ["0", "0.5", "-1.005", "999.995", "1234.5", "-1234.5", "12345.678", "9876543210.12"];
const moments = ["2026-03-01T09:05:07", "2024-02-29T23:59:00", "1999-12-31T00:00:00", "2026-08-15T12:30:00"];
const counts = ["0", "1", "2", "3", "4", "5", "11", "12", "14", "21", "22", "25", "101", "112", "1000", "1.5", "0.1"];
const rows = [];
for (const locale of locales) {
  for (const amount of amounts) {
    for (const digits of [0, 2]) {
      const format = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits });
      rows.push([locale, "number", digits, amount, format.format(amount)]);
    }
    rows.push([locale, "percent", "", amount, new Intl.NumberFormat(locale, { style: "percent" }).format(amount)]);
    for (const currency of ["EUR", "USD", "JPY", "PLN", "CHF", "GBP", "BHD"]) {
      rows.push([locale, "money", currency, amount, new Intl.NumberFormat(locale, { style: "currency", currency }).format(amount)]);
    }
  }
  for (const moment of moments) {
    const at = new Date(moment + "Z");
    for (const style of ["full", "long", "medium", "short"]) {
      rows.push([locale, "date", style, moment, new Intl.DateTimeFormat(locale, { dateStyle: style, timeZone: "UTC" }).format(at)]);
    }
    for (const style of ["medium", "short"]) {
      rows.push([locale, "time", style, moment, new Intl.DateTimeFormat(locale, { timeStyle: style, timeZone: "UTC" }).format(at)]);
    }
  }
  for (const count of counts) rows.push([locale, "plural", "", count, new Intl.PluralRules(locale).select(count)]);
}
writeFileSync("tests/data/formats.tsv", rows.map((row) => row.join("\t") + "\n").join(""));
