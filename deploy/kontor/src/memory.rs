//! How the C library gives memory back: set once, before anything is allocated.
//! Called by `main.rs` for `kontor serve`.
//!
//! glibc raises the size from which an allocation has pages of its own with each one that is freed, up to 32 MiB. Columns of a million facts grow
//! by being copied to larger places, and the places that they leave stay in the heap: 521 MB were resident where 365 are with fixed sizes
//! (docs/performance.md, "Memory of a million partners"). The settings are read at the start of a process only, so it starts itself anew with them.

use kontor_kit::Result;

/// Two arenas; from 256 KiB on pages of its own; 8 MiB at the end of the heap are kept, so that small requests ask for none.
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "8388608")];

/// The settings, for people: "MALLOC_ARENA_MAX=2 ...".
pub fn words() -> String {
    SETTINGS.map(|(name, value)| format!("{name}={value}")).join(" ")
}

/// Starts this program anew in its own place, unless one of the settings is there already.
///
/// # Errors
/// INTERNAL when it can't be started again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn settle() -> Result<()> {
    use std::os::unix::process::CommandExt;

    use kontor_kit::Error;

    if SETTINGS.iter().any(|(name, _)| std::env::var_os(name).is_some()) {
        return Ok(());
    }
    let mut own = std::env::args_os();
    let name = own.next().unwrap_or_default();
    let program = std::env::current_exe().map_err(Error::internal)?;
    Err(Error::internal(std::process::Command::new(program).arg0(name).args(own).envs(SETTINGS).exec()))
}

/// Other libraries have no such settings.
///
/// # Errors
/// None.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn settle() -> Result<()> {
    Ok(())
}
