//! Where the password comes from: a file or the environment, and never a command line, which every user of the computer
//! may read.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use log::warn;
use zeroize::Zeroizing;

use super::target::{PASSWORD_VARIABLE as VARIABLE, Target};
use crate::error::{Error, Result, plain};

/// Longest password, in bytes.
const LONGEST: usize = 256;

/// The password for that server; `environment` is what [`PASSWORD_VARIABLE`](VARIABLE) holds.
///
/// # Errors
/// [`Error::Usage`] where there is none, [`Error::File`] for a file that cannot be read, or that holds none.
pub fn find(target: &Target, environment: Option<OsString>) -> Result<Zeroizing<String>> {
    if let Some(path) = &target.password_file {
        return read(path);
    }
    let missing = |what: &str| {
        let fix = format!(
            "Write it into a file that only you may read, and add ,password-file=PATH; or set {VARIABLE}"
        );
        Error::usage(format!("{what} for the Icecast server {target}"), fix)
    };
    let Some(password) = environment.filter(|password| !password.is_empty()) else {
        return Err(missing("there is no password"));
    };
    let password = Zeroizing::new(password.into_string().unwrap_or_default());
    fit(&password).ok_or_else(|| missing(&format!("{VARIABLE} holds no password that can be used")))
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    let unreadable = |e: std::io::Error| {
        Error::file(path, plain(&e), "Make it a file that you may read, with the password in it")
    };
    let file = File::open(path).map_err(unreadable)?;
    if may_others_read(&file) {
        warn!(
            "{}: others on this computer may read the Icecast password in it. Type chmod 600 “{0}”",
            path.display()
        );
    }
    // A line's end may follow.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 3));
    file.take(LONGEST as u64 + 3).read_to_end(&mut bytes).map_err(unreadable)?;
    std::str::from_utf8(&bytes).ok().and_then(fit).ok_or_else(|| {
        let why = format!("it does not hold one password of at most {LONGEST} bytes");
        Error::file(path, why, "Write the password alone into it, on one line")
    })
}

/// The password in that text, behind which a line may end.
fn fit(text: &str) -> Option<Zeroizing<String>> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    let is_fit = !line.is_empty() && line.len() <= LONGEST && !line.chars().any(char::is_control);
    is_fit.then(|| Zeroizing::new(line.to_owned()))
}

#[cfg(unix)]
fn may_others_read(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o077 != 0)
}

/// Files are as private there as the folder that they are in, which says nothing in a few bits.
#[cfg(not(unix))]
fn may_others_read(_file: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn target(spec: &str) -> Target {
        spec.parse().unwrap()
    }

    #[test]
    fn a_file_comes_before_the_environment_and_one_of_them_must_be() {
        let scratch = Scratch::new();
        let path = scratch.path("password");
        std::fs::write(&path, "from file\r\n").unwrap();
        let plain = target("icecast://localhost");
        let with_file = target(&format!("icecast://localhost,password-file={}", path.display()));
        let environment = || Some(OsString::from("from outside"));
        assert_eq!(*find(&with_file, environment()).unwrap(), "from file");
        assert_eq!(*find(&plain, environment()).unwrap(), "from outside");
        for nothing in [None, Some(OsString::new())] {
            let error = find(&plain, nothing).unwrap_err().to_string();
            assert!(error.contains("there is no password for the Icecast server http"), "{error}");
            assert!(error.contains("password-file=PATH") && error.contains(VARIABLE), "{error}");
        }
    }

    #[test]
    fn what_is_no_password_is_refused_and_never_shown() {
        let scratch = Scratch::new();
        let long = "x".repeat(LONGEST + 1);
        for wrong in ["", "\n", "se\ncret", "se\0cret", &long] {
            let path = scratch.path("password");
            std::fs::write(&path, wrong).unwrap();
            let target = target(&format!("icecast://a,password-file={}", path.display()));
            let error = find(&target, None).unwrap_err().to_string();
            assert!(error.contains("one password of at most 256 bytes"), "{error}");
            assert!(!error.contains("cret") && !error.contains("xxx"), "{error}");
        }
        let longest = "x".repeat(LONGEST);
        let found = find(&target("icecast://a"), Some(longest.clone().into()));
        assert_eq!(*found.unwrap(), longest);
        let missing = target("icecast://a,password-file=/nowhere/at/all");
        assert!(matches!(find(&missing, None), Err(Error::File { .. })));
    }
}
