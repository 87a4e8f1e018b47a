//! The check of the house itself: arrows between crates run only down, each room uses only what it may, and docs/rfc names what there is.
//! Runs in CI like every other test. The plan is in ARCHITECTURE.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who may stand on whom, by folder. Dev-dependencies are free.
const ARROWS: [(&str, &[&str]); 14] = [
    ("kontor-proto", &[]),
    ("kontor-vobject", &[]),
    ("kontor-kit", &["kontor-proto"]),
    ("kontor-testbed", &["kontor-kit", "kontor-proto"]),
    ("kontor-collection", &["kontor-kit", "kontor-vobject", "kontor-proto"]),
    ("kontor-directory", SERVICE),
    ("kontor-pipeline", SERVICE),
    ("kontor-calendar", SERVICE),
    ("kontor-telephony", SERVICE),
    ("kontor-segmentation", SERVICE),
    ("kontor-templating", SERVICE),
    ("kontor-mail", SERVICE),
    ("kontor-gateway", &["kontor-kit", "kontor-vobject", "kontor-proto"]),
    ("kontor-tests", &["kontor", "kontor-kit", "kontor-testbed", "kontor-proto", "kontor-vobject"]),
];
const SERVICE: &[&str] = &["kontor-kit", "kontor-vobject", "kontor-collection", "kontor-proto"];

/// What a room may not name: room, forbidden words.
const ROOMS: [(&str, &[&str]); 3] = [
    (
        "domain",
        &[
            "tonic",
            "sqlx",
            "rusqlite",
            "tokio",
            "kontor_kit::db",
            "crate::store",
            "crate::rpc",
            "crate::events",
        ],
    ),
    ("store", &["tonic", "crate::rpc", "crate::events"]),
    ("rpc", &["sqlx", "rusqlite"]),
];

/// The states of a row in docs/rfc, in the order of the README's columns.
const STATES: [&str; 4] = ["met", "met, no test", "not met", "not offered"];
/// What a file with tests has in it.
const TESTS: [&str; 4] = ["#[test]", "#[tokio::test", "both! {", "on_both! {"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the house").to_owned()
}

#[test]
fn arrows_between_crates_run_only_down() {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("its answer is JSON");
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        // The binary composes all.
        if name == "kontor" {
            continue;
        }
        seen += 1;
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("{name} is not in the plan: add it to ARROWS and to ARCHITECTURE.md"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let target = dependency["name"].as_str().expect("a name");
            let is_ours = target == "kontor" || target.starts_with("kontor-");
            if is_ours && dependency["kind"].is_null() && !may.contains(&target) {
                wrong.push(format!("{name} -> {target}"));
            }
        }
    }
    assert_eq!(seen, ARROWS.len(), "crates in the plan and crates in the house differ");
    assert!(wrong.is_empty(), "arrows that are not in the plan:\n{}", wrong.join("\n"));
}

#[test]
fn every_service_has_the_same_rooms_and_keeps_to_them() {
    let mut wrong = Vec::new();
    let services = ARROWS.iter().filter(|(_, may)| *may == SERVICE);
    for service in services.filter_map(|(name, _)| name.strip_prefix("kontor-")) {
        let folder = root().join("services").join(service);
        for room in
            ["migrations/sqlite", "migrations/postgres", "src/lib.rs", "src/domain", "src/store", "src/rpc"]
        {
            if !folder.join(room).exists() {
                wrong.push(format!("{service} has no {room}"));
            }
        }
        let lines = std::fs::read_to_string(folder.join("src/lib.rs")).map_or(0, |text| text.lines().count());
        if lines > 120 {
            wrong.push(format!("{service}/src/lib.rs has {lines} lines: wiring only"));
        }
        for (room, forbidden) in ROOMS {
            for file in files(&folder.join("src").join(room)) {
                wrong.extend(trespasses(&file, forbidden));
            }
        }
        wrong.extend(unequal_migrations(&folder));
    }
    assert!(wrong.is_empty(), "rooms:\n{}", wrong.join("\n"));
}

fn trespasses(file: &Path, forbidden: &[&str]) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("a source file");
    let is_use =
        |line: &&str| line.trim_start().starts_with("use ") || line.trim_start().starts_with("pub use ");
    let named = |line: &str, word: &str| {
        let path = line.trim_start().trim_start_matches("pub ").trim_start_matches("use ");
        path == word || path.strip_prefix(word).is_some_and(|rest| rest.starts_with([':', ';', ' ']))
    };
    let mut found = Vec::new();
    for line in text.lines().filter(is_use) {
        for word in forbidden.iter().filter(|word| named(line, word)) {
            found.push(format!("{} uses {word}", file.display()));
        }
    }
    found
}

fn unequal_migrations(folder: &Path) -> Vec<String> {
    let names = |database: &str| {
        let mut names: Vec<_> = files(&folder.join("migrations").join(database))
            .into_iter()
            .filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    if sqlite == postgres && !sqlite.is_empty() {
        Vec::new()
    } else {
        vec![format!("{}: migrations differ", folder.display())]
    }
}

#[test]
fn every_function_that_the_rfc_pages_name_stands_in_its_file() {
    let folder = root().join("docs/rfc");
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("docs/rfc/README.md");
    let mut wrong = Vec::new();
    let mut pages = 0;
    for entry in std::fs::read_dir(&folder).expect("docs/rfc") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name == "README" {
            continue;
        }
        pages += 1;
        let text = std::fs::read_to_string(&path).expect("a page");
        let mut counts = [0; STATES.len()];
        for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| section ")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let &[_, _, _, state, shown] = cells.as_slice() else {
                wrong.push(format!("{name}: a row does not have five cells: {row}"));
                continue;
            };
            match STATES.iter().position(|known| *known == state) {
                Some(at) => counts[at] += 1,
                None => wrong.push(format!("{name}: there is no state {state:?}")),
            }
            wrong.extend(unshown(state, shown).into_iter().map(|what| format!("{name}: {what}")));
        }
        let [met, untested, unmet, not_offered] = counts;
        let begin = format!("| [{name}]({name}.md) |");
        let end = format!("| {met} | {untested} | {unmet} | {not_offered} |");
        if !readme.lines().any(|line| line.starts_with(&begin) && line.ends_with(&end)) {
            wrong.push(format!("README.md: the row of {name} does not end with {end}"));
        }
    }
    assert!(pages > 0, "there are no pages");
    assert!(wrong.is_empty(), "docs/rfc:\n{}", wrong.join("\n"));
}

/// What is wrong with the last cell of a row: functions that are not in their file, or none where the state wants one.
fn unshown(state: &str, shown: &str) -> Vec<String> {
    let functions = named(shown);
    let mut wrong = Vec::new();
    let mut is_tested = false;
    for (function, path) in &functions {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        let stands = [format!("fn {function}("), format!("fn {function}<")];
        if !stands.iter().any(|head| text.contains(head.as_str())) {
            wrong.push(format!("{path} has no function {function}"));
        }
        is_tested |= TESTS.iter().any(|mark| text.contains(*mark));
    }
    match state {
        "met" if !is_tested => wrong.push(format!("met, but no test is named: {shown}")),
        "met, no test" if functions.is_empty() => wrong.push(format!("no code is named: {shown}")),
        _ if shown.is_empty() => wrong.push(format!("{state}, and nothing is said why")),
        _ => {}
    }
    wrong
}

/// The functions that a cell names, each with its file: "`function` (path)".
fn named(cell: &str) -> Vec<(&str, &str)> {
    let pieces: Vec<&str> = cell.split('`').collect();
    let codes = pieces.iter().zip(pieces.iter().skip(1)).skip(1).step_by(2);
    codes
        .filter_map(|(function, behind)| {
            let (path, _) = behind.strip_prefix(" (")?.split_once(')')?;
            path.ends_with(".rs").then_some((*function, path))
        })
        .collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs" || end == "sql"))
        .collect()
}
