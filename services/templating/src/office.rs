//! PDF through LibreOffice: a few processes at once, each with a profile of its own that stays warm from run to run, killed on a timeout. One run converts many
//! documents, since the start costs more than a letter. Where LibreOffice is missing, everything but PDF works.
//! Called by the preview and the merges.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use kontor_kit::{Error, Result, id};
use tokio::process::Command;
use tokio::sync::{Mutex, OwnedMutexGuard, Semaphore};

/// LibreOffices that run at once.
const AT_ONCE: usize = 2;
/// Runs after which a profile is thrown away: LibreOffice collects things in it.
const RUNS: u32 = 200;
/// How long the start may take, and each document.
const START: Duration = Duration::from_secs(60);
const EACH: Duration = Duration::from_secs(5);

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Office(Arc<Inner>);

struct Inner {
    program: Option<PathBuf>,
    free: Semaphore,
    profiles: Vec<Arc<Mutex<Profile>>>,
}

/// A folder of settings that one process has to itself.
#[derive(Default)]
struct Profile {
    folder: Option<PathBuf>,
    runs: u32,
}

impl Drop for Profile {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

impl Office {
    /// Over the LibreOffice that stands in PATH, if one does.
    pub fn new() -> Office {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&paths)
            .flat_map(|folder| ["soffice", "libreoffice"].map(|name| folder.join(name)))
            .find(|path| path.is_file());
        Office::with(found)
    }

    fn with(program: Option<PathBuf>) -> Office {
        if program.is_none() {
            tracing::info!("LibreOffice is not installed: letters are made, but no PDF");
        }
        let profiles = (0..AT_ONCE).map(|_| Arc::default()).collect();
        Office(Arc::new(Inner { program, free: Semaphore::new(AT_ONCE), profiles }))
    }

    /// Whether PDF can be made.
    pub fn is_there(&self) -> bool {
        self.0.program.is_some()
    }

    /// Makes PDFs of documents with this ending; none of one that LibreOffice does not convert. A crash or a document on which it hangs
    /// takes only itself: after a failed run each document is tried alone.
    ///
    /// # Errors
    /// UNAVAILABLE with reason NO_PDF when LibreOffice is missing; others when there is no room for files.
    pub async fn convert(&self, documents: Vec<Vec<u8>>, extension: &str) -> Result<Vec<Option<Vec<u8>>>> {
        let mut made = self.run(&documents, extension).await?;
        if documents.len() > 1 {
            for (place, document) in documents.iter().enumerate() {
                if made[place].is_none() {
                    made[place] = self.run(std::slice::from_ref(document), extension).await?.pop().flatten();
                }
            }
        }
        Ok(made)
    }

    /// One run of LibreOffice.
    async fn run(&self, documents: &[Vec<u8>], extension: &str) -> Result<Vec<Option<Vec<u8>>>> {
        let program = self.0.program.as_ref().ok_or_else(missing)?;
        let _slot = self.0.free.acquire().await.map_err(Error::internal)?;
        let mut profile = self.profile().await;
        if profile.runs >= RUNS {
            *profile = Profile::default();
        }
        profile.runs += 1;
        let settings = match &profile.folder {
            Some(folder) => folder.clone(),
            None => {
                let folder = new_folder("profile").await?;
                profile.folder = Some(folder.clone());
                tokio::fs::create_dir(folder.join("user")).await.map_err(no_room)?;
                let file = folder.join("user/registrymodifications.xcu");
                tokio::fs::write(file, settings_of_a_profile()).await.map_err(no_room)?;
                folder
            }
        };
        let work = new_folder("work").await?;
        let outcome = convert_in(program, &settings, &work, documents, extension).await;
        let _ = tokio::fs::remove_dir_all(&work).await;
        let outcome = outcome?;
        if outcome.iter().any(Option::is_none) {
            // It may have left its profile locked or broken.
            *profile = Profile::default();
        }
        Ok(outcome)
    }

    /// A profile that nobody uses; there are as many as slots.
    async fn profile(&self) -> OwnedMutexGuard<Profile> {
        for profile in &self.0.profiles {
            if let Ok(free) = profile.clone().try_lock_owned() {
                return free;
            }
        }
        self.0.profiles[0].clone().lock_owned().await
    }
}

/// No LibreOffice is there.
pub fn missing() -> Error {
    let message =
        "LibreOffice is not installed on the server, so there is no PDF: ask for the document itself";
    Error::new(tonic::Code::Unavailable, "NO_PDF", message)
}

fn no_room(cause: std::io::Error) -> Error {
    Error::unavailable(format!("files for LibreOffice can't be written: {cause}"))
}

/// A folder for us alone: letters stand in it.
async fn new_folder(what: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("kontor-office-{what}-{}", id::new()));
    let mut builder = tokio::fs::DirBuilder::new();
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(&folder).await.map_err(no_room)?;
    Ok(folder)
}

/// What a profile begins with. LibreOffice loads what a document links to, which would let who writes a template read files of the server and ask its neighbours: linked pictures
/// and sections stay as they are, macros do not run, and what is asked for all the same goes to a proxy that is not there.
fn settings_of_a_profile() -> String {
    let items = [
        ("Office.Common/Security/Scripting", "BlockUntrustedRefererLinks", "true"),
        ("Office.Common/Security/Scripting", "DisableMacrosExecution", "true"),
        ("Office.Writer/Content/Update", "Link", "0"),
        ("Inet/Settings", "ooInetProxyType", "2"),
        ("Inet/Settings", "ooInetHTTPProxyName", "127.0.0.1"),
        ("Inet/Settings", "ooInetHTTPProxyPort", "9"),
        ("Inet/Settings", "ooInetHTTPSProxyName", "127.0.0.1"),
        ("Inet/Settings", "ooInetHTTPSProxyPort", "9"),
    ];
    let items: String = items
        .iter()
        .map(|(path, name, value)| {
            format!(
                "<item oor:path=\"/org.openoffice.{path}\"><prop oor:name=\"{name}\" oor:op=\"fuse\"><value>{value}</value></prop></item>\n"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<oor:items xmlns:oor=\"http://openoffice.org/2001/registry\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n{items}</oor:items>\n"
    )
}

async fn convert_in(
    program: &Path,
    settings: &Path,
    work: &Path,
    documents: &[Vec<u8>],
    extension: &str,
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut command = Command::new(program);
    // Our variables may hold secrets.
    command.env_clear().env("HOME", settings).env("LANG", "C.UTF-8");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.arg(format!("-env:UserInstallation=file://{}", settings.display()));
    command.args(["--headless", "--norestore", "--convert-to", "pdf", "--outdir"]).arg(work);
    for (place, document) in documents.iter().enumerate() {
        let path = work.join(format!("{place}.{extension}"));
        tokio::fs::write(&path, document).await.map_err(no_room)?;
        command.arg(path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: the program that is started starts another one, and a timeout must end both.
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(no_room)?;
    let group = child.id();
    let limit = START + EACH * u32::try_from(documents.len()).unwrap_or(u32::MAX);
    if tokio::time::timeout(limit, child.wait()).await.is_err() {
        tracing::warn!("LibreOffice did not end in time and is killed");
    }
    if let Some(group) = group {
        let kill = Command::new("kill")
            .args(["-9", "--", &format!("-{group}")])
            .stderr(Stdio::null())
            .status()
            .await;
        if let Err(cause) = kill {
            tracing::warn!(%cause, "LibreOffice can't be killed");
        }
    }
    let mut made = Vec::with_capacity(documents.len());
    for place in 0..documents.len() {
        let pdf = tokio::fs::read(work.join(format!("{place}.pdf"))).await.ok();
        made.push(pdf.filter(|pdf| pdf.starts_with(b"%PDF-")));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A LibreOffice that hangs or crashes on a document takes that one only; row L6.
    #[tokio::test]
    async fn l6_a_crash_takes_only_its_own_document() {
        let folder = new_folder("test").await.unwrap();
        let program = folder.join("soffice");
        // As LibreOffice, but it dies at once when one of its documents says so, before it has made any PDF.
        let script = "#!/bin/sh\nshift 6\nout=$1\nshift\ngrep -l crash \"$@\" >/dev/null && kill -9 $$\n\
                      for file in \"$@\"; do printf '%%PDF-' > \"$out/$(basename \"$file\" .odt).pdf\"; done\n";
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let office = Office::with(Some(program));
        let documents = [&b"one"[..], b"crash", b"three"].map(<[u8]>::to_vec).to_vec();
        let made = office.convert(documents, "odt").await.unwrap();
        assert_eq!(made.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
        let none = Office::with(None).convert(vec![Vec::new()], "odt").await.unwrap_err();
        assert_eq!(none.reason(), "NO_PDF");
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Where LibreOffice is: a linked picture is not fetched, whoever wrote the template; row L9.
    #[tokio::test]
    async fn l9_what_a_document_links_to_is_not_fetched() {
        let office = Office::new();
        if !office.is_there() {
            eprintln!("NOT RUN: LibreOffice is not installed");
            return;
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let document = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
             xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
             xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.text">
            <office:body><office:text><text:p>Dear Anna<draw:frame draw:name="i" text:anchor-type="as-char" svg:width="3cm" svg:height="3cm"><draw:image
             xlink:href="http://127.0.0.1:{port}/secret.png" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/></draw:frame></text:p></office:text></office:body></office:document>"#
        );
        let made = tokio::select! {
            made = office.convert(vec![document.into_bytes()], "fodt") => made.unwrap(),
            _ = listener.accept() => panic!("it asks a neighbour of the server"),
        };
        assert!(made[0].is_some(), "the letter is made without it");
    }
}
