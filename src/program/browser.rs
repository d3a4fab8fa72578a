//! Opens the page in this PC's browser.

use log::warn;

use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// Opens the page at `url`, which has no secret in it: others on this PC may read what is started. Nobody waits for
/// it; where it fails, a sentence says so.
pub fn open_page(url: String) {
    let nobody = Shutdown::default();
    // A browser may go on as long as what starts it.
    let begun = spawn("browser", Priority::Ordinary, &nobody, move || {
        if let Err(why) = open(&url) {
            warn!("the page was not opened in a browser: {why}. Open it yourself: {url}");
        }
    });
    if let Err(e) = begun {
        warn!("the page was not opened in a browser: {e}");
    }
}

#[cfg(windows)]
#[allow(
    unsafe_code,
    reason = "any program that is started instead is looked for in folders that anybody fills"
)]
fn open(url: &str) -> Result<(), String> {
    use std::ptr::null_mut;

    use windows_sys::Win32::UI::Shell::ShellExecuteW;
    use windows_sys::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;
    use windows_sys::core::w;

    /// What is not larger is an error, for reasons of old.
    const LAST_ERROR: usize = 32;
    let wide: Vec<u16> = url.encode_utf16().chain([0]).collect();
    // SAFETY: both texts end in 0 and live until the call returns; nothing else is handed over.
    let answer = unsafe {
        ShellExecuteW(
            null_mut(),
            w!("open"),
            wide.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            SW_SHOWNORMAL,
        )
    };
    if answer as usize > LAST_ERROR {
        return Ok(());
    }
    let why = crate::error::plain(&std::io::Error::last_os_error());
    Err(why.trim_end_matches('.').to_owned())
}

#[cfg(unix)]
fn open(url: &str) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    const OPENER: &str = if cfg!(target_os = "macos") { "/usr/bin/open" } else { "xdg-open" };
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // Without a desktop a browser for terminals would take this one.
    if !cfg!(target_os = "macos") && !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
        return Err("there is no desktop here".to_owned());
    }
    // A group of its own: Ctrl-C is not for a browser.
    let mut command = Command::new(OPENER);
    command.arg(url).process_group(0);
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(format!("{OPENER} found none")),
        Err(e) => Err(format!("{OPENER} cannot be run, {}", crate::error::plain(&e))),
    }
}
