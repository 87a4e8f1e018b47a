//! LibreOffice opens every letter and shows what was put in (row L8). Left out with a loud line where LibreOffice is not installed.

use std::path::Path;
use std::process::Command;

use crate::support::{data, record, render};

/// The text that LibreOffice reads in files.
fn read_by_libreoffice(files: &[(&str, Vec<u8>)]) -> Option<Vec<String>> {
    let office = ["soffice", "libreoffice"].into_iter().find(|name| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).exists()))
    });
    let Some(office) = office else {
        eprintln!(
            "LEFT OUT: LibreOffice is not installed, so no letter was opened with it (apt-get install libreoffice-writer)"
        );
        return None;
    };
    let folder = std::env::temp_dir().join(format!("kontor-letters-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(office);
    command.arg(format!("-env:UserInstallation=file://{}/profile", folder.display()));
    command.args(["--headless", "--convert-to", "txt:Text (encoded):UTF8", "--outdir"]).arg(&folder);
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).expect("written");
        command.arg(folder.join(name));
    }
    let output = command.output().expect("LibreOffice runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let texts = files.iter().map(|(name, _)| {
        let path = folder.join(Path::new(name).with_extension("txt"));
        std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("LibreOffice does not open {name}"))
    });
    let texts = texts.collect();
    std::fs::remove_dir_all(&folder).expect("removed");
    Some(texts)
}

#[test]
fn l8_libreoffice_opens_every_letter_and_shows_its_values() {
    // The names differ before their endings, for the texts are called after them.
    let names = [
        "letter.docx",
        "letter.odt",
        "merge.docx",
        "fields.odt",
        "letter-from-docx.odt",
        "letter-from-odt.docx",
    ];
    let made: Vec<(&str, Vec<u8>)> =
        names.iter().map(|name| (*name, render(&data(name), &record(), "de"))).collect();
    let renamed = ["a.docx", "b.odt", "c.docx", "d.odt", "e.odt", "f.docx"];
    let files: Vec<(&str, Vec<u8>)> =
        renamed.into_iter().zip(made.into_iter().map(|(_, bytes)| bytes)).collect();
    // For tests/scripts/validate.py, which looks at the same letters with validators of the schemas.
    if let Some(folder) = std::env::var_os("KONTOR_LETTERS") {
        for (name, (_, bytes)) in names.iter().zip(&files) {
            std::fs::write(Path::new(&folder).join(name), bytes).expect("written");
        }
        for name in ["letter.docx", "letter.odt"] {
            std::fs::write(Path::new(&folder).join(format!("joined-{name}")), crate::joined::three(name))
                .expect("written");
        }
    }
    let Some(texts) = read_by_libreoffice(&files) else { return };
    for (name, text) in names.iter().zip(&texts) {
        let name_shown = if name.starts_with("merge") {
            "ANNA MÜLLER & SÖHNE <AG>"
        } else {
            "Anna Müller & Söhne <AG>"
        };
        assert!(text.contains(name_shown), "{name}: {text}");
        assert!(!text.contains("{{") && !text.contains("{%"), "{name}: {text}");
        if name.starts_with("letter") {
            for value in [
                "Rue 5",
                "Sehr geehrte Frau Dr. Müller,",
                "1.234,50\u{a0}€",
                "Panel",
                "third",
                "D/7 a",
                "Yours, bob Builder",
            ] {
                assert!(text.contains(value), "{name} lacks {value}: {text}");
            }
        }
    }
}
