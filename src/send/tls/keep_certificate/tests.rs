use std::fs;
use std::path::PathBuf;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("auralync-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + 20_000 * DAY
}

fn at(addresses: &[&str]) -> BTreeSet<String> {
    names("Attic", addresses.iter().map(|ip| ip.parse().unwrap()))
}

fn says(keeper: &Keeper) -> Says {
    Says::read(&keeper.shown.now().0.cert[0]).unwrap()
}

#[test]
fn the_own_certificate_is_for_all_names_and_stays_until_a_month_before_its_end() {
    let folder = Folder::new("own-certificate");
    let path = folder.0.join("https.pem");
    let here = at(&["192.168.1.5", "fd00::5", "2001:db8::5", "fe80::5"]);
    let mut keeper = Keeper::own(path.clone(), &here, now()).unwrap();
    let (print, first) = (keeper.shown.fingerprint(), says(&keeper));
    for name in ["localhost", "attic", "attic.local", "127.0.0.1", "::1", "192.168.1.5", "fd00::5"]
    {
        assert!(first.names.iter().any(|known| known == name), "{name}: {first:?}");
    }
    assert_eq!(first.names.len(), 7, "addresses that change every day are not in it: {first:?}");
    assert!(first.from <= now() && first.until <= now() + 397 * DAY);

    let again = Keeper::own(path.clone(), &here, now() + 300 * DAY).unwrap();
    assert_eq!(again.shown.fingerprint(), print, "it is kept from one start to the next");
    keeper.look(&here, now() + 365 * DAY);
    assert_eq!(keeper.shown.fingerprint(), print);
    keeper.look(&here, now() + 367 * DAY);
    assert_ne!(keeper.shown.fingerprint(), print, "it is made anew before it ends");
    assert!(says(&keeper).until > now() + 700 * DAY);
    // A clock that was set back by years.
    keeper.look(&here, now() - 4_000 * DAY);
    assert!(says(&keeper).from < now() - 3_999 * DAY);
}

#[test]
fn a_new_address_makes_a_new_certificate_which_is_for_the_old_addresses_too() {
    let folder = Folder::new("moved-certificate");
    let path = folder.0.join("https.pem");
    let (home, office) = (at(&["192.168.1.5"]), at(&["10.0.0.7"]));
    let mut keeper = Keeper::own(path, &home, now()).unwrap();
    let at_home = keeper.shown.fingerprint();
    keeper.look(&office, now());
    let at_office = keeper.shown.fingerprint();
    assert_ne!(at_office, at_home);
    keeper.look(&home, now() + DAY);
    assert_eq!(keeper.shown.fingerprint(), at_office, "back at home nobody is asked anew");
    // Where there were very many networks, the oldest make room.
    for n in 0..100 {
        keeper.look(&at(&[&format!("10.1.0.{n}")]), now());
    }
    let names = says(&keeper).names;
    assert!(names.len() <= 64 && names.iter().any(|name| name == "10.1.0.99"), "{names:?}");
}

#[test]
fn a_file_of_the_own_certificate_that_is_damaged_is_made_anew_and_one_that_others_may_read_is_refused()
 {
    let folder = Folder::new("damaged-certificate");
    let path = folder.0.join("https.pem");
    let here = at(&["192.168.1.5"]);
    let print = Keeper::own(path.clone(), &here, now()).unwrap().shown.fingerprint();
    let whole = secret_file::read(&path).unwrap().unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"no certificate"] {
        secret_file::write(&path, damaged).unwrap();
        assert_ne!(Keeper::own(path.clone(), &here, now()).unwrap().shown.fingerprint(), print);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Keeper::own(path, &here, now()).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_certificate_that_another_server_of_this_user_has_renewed_is_shown_here_too() {
    let folder = Folder::new("shared-certificate");
    let path = folder.0.join("https.pem");
    let here = at(&["192.168.1.5"]);
    let mut one = Keeper::own(path.clone(), &here, now()).unwrap();
    let mut other = Keeper::own(path, &here, now()).unwrap();
    let later = now() + 390 * DAY;
    one.look(&here, later);
    other.look(&here, later);
    assert_eq!(other.shown.fingerprint(), one.shown.fingerprint());
    assert!(says(&other).until > later + 300 * DAY, "{:?}", says(&other));
}

/// A certificate and its key, made at a time.
fn pair(time: SystemTime) -> (String, String) {
    let text = own_certificate::pem(&["pc.example".to_owned()], time).unwrap();
    let end = text.find("-----BEGIN PRIVATE").unwrap();
    (text[..end].to_owned(), text[end..].to_owned())
}

fn brought(folder: &Folder, certificate: &str, key: &str) -> Result<Keeper> {
    let certificate = folder.write("cert.pem", certificate);
    Keeper::brought(Files { certificate, key: folder.write("key.pem", key) }, now())
}

#[test]
fn what_is_wrong_with_a_certificate_that_was_brought_is_said_in_one_sentence() {
    let folder = Folder::new("wrong-certificates");
    let (certificate, key) = pair(now());
    assert!(brought(&folder, &certificate, &key).is_ok());
    let (old, old_key) = pair(now() - 500 * DAY);
    let (next, next_key) = pair(now() + 500 * DAY);
    let cut = &certificate[..certificate.len() / 2];
    let broken = certificate.replacen("MII", "MMI", 1);
    for (certificate, key, sentence) in [
        (&*old, &*old_key, "this certificate ended on 2024-0"),
        (&next, &next_key, "this certificate begins on 2026-0"),
        (&certificate, &old_key, "this is not the key of the certificate “"),
        ("", &key, "this holds no certificate in PEM form"),
        (cut, &key, "this holds no certificate in PEM form"),
        (&broken, &key, "this holds no certificate in PEM form"),
        (&key, &key, "this holds no certificate in PEM form"),
        (&certificate, "", "this holds no private key in PEM form"),
        (&certificate, &certificate, "this holds no private key in PEM form"),
    ] {
        let error = brought(&folder, certificate, key).err().unwrap().to_string();
        assert!(error.contains(sentence) && !error.contains('\n'), "{sentence}: {error}");
    }
    let missing = Files { certificate: folder.0.join("none.pem"), key: folder.0.join("key.pem") };
    let error = Keeper::brought(missing, now()).err().unwrap().to_string();
    assert!(error.contains("none.pem") && error.contains("Name a file"), "{error}");
    let endless = Files { certificate: "/dev/zero".into(), key: folder.0.join("key.pem") };
    let long = folder.write("long.pem", vec![b'\n'; 1 << 20]);
    let long = Files { certificate: long, key: folder.0.join("key.pem") };
    for (files, sentence) in [(endless, "no file that can be read again"), (long, "longer than")] {
        let error = Keeper::brought(files, now()).err().unwrap().to_string();
        assert!(error.contains(sentence), "{sentence}: {error}");
    }
}

#[test]
fn a_certificate_of_another_name_is_named_and_one_of_this_pc_or_an_added_name_is_not() {
    let here = at(&["192.168.1.5"]);
    let said = |names: &[&str], added: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        of_another_name(&owned(names), &here, &owned(added))
    };
    for names in [&["attic.local"][..], &["x.example", "192.168.1.5"], &["ATTIC"], &["*.local"]] {
        assert_eq!(said(names, &[]), None, "{names:?}");
    }
    for names in [["music.example"], ["*.example"]] {
        assert_eq!(said(&names, &["Music.Example"]), None, "{names:?}");
        let sentence = said(&names, &[]).unwrap();
        assert!(sentence.contains("--web-host"), "{sentence}");
    }
    assert!(said(&["*.example"], &["a.music.example", "example"]).is_some(), "one part alone");
    assert!(said(&[], &[]).unwrap().contains("for no name"));
}

#[test]
fn files_are_read_again_when_they_change_and_bad_ones_leave_the_old_certificate() {
    let folder = Folder::new("changed-certificate");
    let (certificate, key) = pair(now());
    let mut keeper = brought(&folder, &certificate, &key).unwrap();
    let first = keeper.shown.fingerprint();
    let nobody = BTreeSet::new();
    keeper.look(&nobody, now());
    assert_eq!((keeper.shown.fingerprint(), &*keeper.said), (first.clone(), ""));

    // In the middle of being renewed: the certificate is new, and its key is not there yet.
    let (renewed, renewed_key) = pair(now() + 60 * DAY);
    folder.write("cert.pem", &renewed);
    keeper.look(&nobody, now() + 61 * DAY);
    assert_eq!(keeper.shown.fingerprint(), first);
    assert!(keeper.said.contains("goes on with the certificate that it has"), "{}", keeper.said);
    let said = keeper.said.clone();
    keeper.look(&nobody, now() + 61 * DAY);
    assert_eq!(keeper.said, said, "which is what is said once");
    folder.write("key.pem", &renewed_key);
    keeper.look(&nobody, now() + 61 * DAY);
    let second = keeper.shown.fingerprint();
    assert!(second != first && keeper.said.is_empty());

    keeper.look(&nobody, now() + 900 * DAY);
    assert!(keeper.said.contains("this certificate ended on"), "{}", keeper.said);
    assert_eq!(keeper.shown.fingerprint(), second);
    fs::remove_file(folder.0.join("key.pem")).unwrap();
    keeper.look(&nobody, now() + 61 * DAY);
    assert!(keeper.said.contains("key.pem"), "{}", keeper.said);
}
