//! `kontor user add` and `kontor token add`: they write into the directory's database, also while the server runs.
//! Called by `main.rs`.

use std::io::{BufRead, IsTerminal};

use kontor_kit::clock::Clock;
use kontor_kit::db::{Db, Storage};
use kontor_kit::{Error, Result};

use crate::config::Config;

/// The new password: from standard input, or asked for twice at a terminal.
///
/// # Errors
/// INVALID_ARGUMENT when there is none or the two differ.
pub fn read_password(from_stdin: bool) -> Result<String> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|cause| Error::invalid("password", cause))?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::invalid("password", "there is no terminal to ask at: use --password-stdin"));
    }
    let ask =
        |prompt: &str| rpassword::prompt_password(prompt).map_err(|cause| Error::invalid("password", cause));
    let first = ask("Password: ")?;
    if first != ask("Again: ")? {
        return Err(Error::invalid("password", "the two are not the same"));
    }
    Ok(first)
}

/// Checks that there is an installation: a mistyped folder must not become a new one. (In a database of PostgreSQL there is nothing to mistype but its URL.)
///
/// # Errors
/// FAILED_PRECONDITION (reason `NO_INSTALLATION`) when there is none.
pub fn must_exist(config: &Config) -> Result<()> {
    if let Storage::Sqlite(folder) = config.storage()
        && !folder.join("directory.db").exists()
    {
        let folder = folder.display();
        let message = format!(
            "there is no installation in {folder}: name its folder with --data; `kontor serve` or `kontor migrate` makes a new one"
        );
        return Err(Error::precondition("NO_INSTALLATION", message));
    }
    Ok(())
}

/// The accounts of an installation, by its database.
pub struct Accounts(Db);

impl Accounts {
    /// Opens them, and makes the installation when there is none. Called by tests, which want accounts before the first start.
    ///
    /// # Errors
    /// Those of opening the database.
    pub async fn open(config: &Config) -> Result<Accounts> {
        crate::serve::make_folder(config)?;
        let db =
            Db::open(&config.storage(), "directory", kontor_directory::MIGRATIONS, Clock::System).await?;
        Ok(Accounts(db))
    }

    /// Opens those of an installation that is there.
    ///
    /// # Errors
    /// Those of `must_exist` and of opening the database.
    pub async fn open_existing(config: &Config) -> Result<Accounts> {
        must_exist(config)?;
        Accounts::open(config).await
    }

    /// Adds an account.
    ///
    /// # Errors
    /// ALREADY_EXISTS, INVALID_ARGUMENT.
    pub async fn add_user(
        &self,
        name: &str,
        email: &str,
        team: Option<&str>,
        admin: bool,
        password: &str,
    ) -> Result<()> {
        kontor_directory::admin::add_user(&self.0, name, email, team, admin, password).await?;
        println!("added users/{name}");
        Ok(())
    }

    /// Adds an app password and prints it.
    ///
    /// # Errors
    /// NOT_FOUND for an unknown user.
    pub async fn add_token(&self, user: &str, device: &str) -> Result<()> {
        let secret = kontor_directory::admin::add_token(&self.0, user, device).await?;
        println!("{secret}");
        eprintln!("This is the app password of {user} for {device:?}. It is shown only now.");
        Ok(())
    }
}
