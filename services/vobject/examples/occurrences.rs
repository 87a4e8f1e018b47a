//! Prints the occurrences of calendars, so that other programs can compare theirs: one file, or a batch of cases.
//! Called by tests/oracle/compare.py, and by whoever wonders what a calendar means.

use std::io::{BufRead, Read, Write};

use jiff::Timestamp;
use kontor_vobject::Limits;
use kontor_vobject::expand::Series;
use kontor_vobject::recur::Budget;
use kontor_vobject::tree::Document;
use kontor_vobject::zone::Zone;
use serde_json::{Value, json};

const USAGE: &str = "usage: occurrences FILE|- FROM TO [ZONE]   (FROM and TO as 2026-01-01T00:00:00Z)
       occurrences --batch                (one JSON object a line: id, ics, zone, ranges)";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--batch"] => batch(),
        [file, from, to] => one(file, from, to, "UTC"),
        [file, from, to, zone] => one(file, from, to, zone),
        _ => Err(USAGE.into()),
    }
}

/// Answers each line of the input with one line: `{"id", "ranges": [[occurrence]], "errors": [text]}`.
fn batch() -> Result<(), Box<dyn std::error::Error>> {
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line?)?;
        let ranges: Vec<(Timestamp, Timestamp)> = case["ranges"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|range| Ok((seconds(&range[0])?, seconds(&range[1])?)))
            .collect::<Result<_, String>>()?;
        let zone = Zone::named(case["zone"].as_str().unwrap_or("UTC")).ok_or("unknown zone")?;
        let ics = case["ics"].as_str().ok_or("a case without ics")?;
        let (found, errors) = occurrences(ics.as_bytes(), &zone, &ranges);
        writeln!(output, "{}", json!({ "id": case["id"], "ranges": found, "errors": errors }))?;
    }
    Ok(())
}

fn one(file: &str, from: &str, to: &str, zone: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut bytes = Vec::new();
    match file {
        "-" => std::io::stdin().lock().read_to_end(&mut bytes)?,
        file => std::fs::File::open(file)?.read_to_end(&mut bytes)?,
    };
    let zone = Zone::named(zone).ok_or("unknown zone")?;
    let (found, errors) = occurrences(&bytes, &zone, &[(from.parse()?, to.parse()?)]);
    found.iter().flatten().for_each(|occurrence| println!("{occurrence}"));
    errors.iter().for_each(|error| eprintln!("{error}"));
    Ok(())
}

fn seconds(value: &Value) -> Result<Timestamp, String> {
    let seconds = value.as_i64().ok_or("a range is two numbers, seconds since 1970")?;
    Timestamp::from_second(seconds).map_err(|error| error.to_string())
}

/// The occurrences in each range, and what could not be read.
fn occurrences(
    bytes: &[u8],
    zone: &Zone,
    ranges: &[(Timestamp, Timestamp)],
) -> (Vec<Vec<Value>>, Vec<String>) {
    let mut found = vec![Vec::new(); ranges.len()];
    let mut errors = Vec::new();
    let document = match Document::parse(bytes, &Limits::default()) {
        Ok(document) => document,
        Err(error) => return (found, vec![error.to_string()]),
    };
    for (uid, series) in Series::all(&document, zone.clone()) {
        let series = match series {
            Ok(series) => series,
            Err(error) => {
                errors.push(format!("{uid}: {error}"));
                continue;
            }
        };
        for ((from, to), found) in ranges.iter().zip(&mut found) {
            match series.occurrences(*from, *to, &mut Budget::default()) {
                Ok(list) => found.extend(list.iter().map(|occurrence| {
                    let component = document.component(occurrence.component);
                    json!({
                        "name": component.name(),
                        "uid": uid,
                        "start": occurrence.start.as_second(),
                        "end": occurrence.end.as_second(),
                        "all_day": occurrence.is_all_day(),
                        "recurrence_id": occurrence.recurrence_id.map(|id| id.as_second()),
                        "summary": component.text("SUMMARY"),
                    })
                })),
                Err(error) => errors.push(format!("{uid}: {error}")),
            }
        }
    }
    (found, errors)
}
