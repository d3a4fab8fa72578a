//! Files that hold one key of a fixed length, as a line of base64url: read, or made where there are none.

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::{alone, read};
use crate::error::{Error, Result};
use crate::random;

/// The bytes of a key. They are wiped when they are dropped.
pub(crate) type Bytes<const LENGTH: usize> = Zeroizing<[u8; LENGTH]>;

/// A file with a key of so many bytes. It need not be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyFile<'a, const LENGTH: usize> {
    pub(crate) path: &'a Path,
    /// What is said where it holds something else: what it is not, and what to do.
    pub(crate) wrong: (&'static str, &'static str),
}

impl<const LENGTH: usize> KeyFile<'_, LENGTH> {
    /// The key that it holds; `None` where there is no file.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read, or holds something else.
    pub(crate) fn known(&self) -> Result<Option<Bytes<LENGTH>>> {
        read(self.path)?.map(|text| self.read(&text)).transpose()
    }

    /// The key that it holds, made where there is none. It is in the file: of two programs that make one at the same
    /// time, both have the same. This waits for the disk.
    ///
    /// # Errors
    /// As [`known`](Self::known), and where it cannot be written; [`Error::Internal`] where the system gives no random
    /// numbers. What is there already is left as it is.
    pub(crate) fn own(&self) -> Result<Bytes<LENGTH>> {
        match self.known()? {
            Some(bytes) => Ok(bytes),
            None => self.settle(|_| Ok(false)),
        }
    }

    /// The key that it holds, changed so, or made where there is none; as [`own`](Self::own) else.
    ///
    /// # Errors
    /// As [`own`](Self::own), and what `change` fails with.
    pub(crate) fn changed(
        &self,
        change: impl FnOnce(&mut [u8; LENGTH]) -> Result<()>,
    ) -> Result<Bytes<LENGTH>> {
        self.settle(|bytes| change(bytes).map(|()| true))
    }

    /// While nobody else changes it: what it holds, written anew where `change` says that it is another, or made.
    fn settle(
        &self,
        change: impl FnOnce(&mut [u8; LENGTH]) -> Result<bool>,
    ) -> Result<Bytes<LENGTH>> {
        let file = alone(self.path)?;
        let (bytes, is_new) = match file.read()? {
            None => (random::secret::<LENGTH>()?, true),
            Some(text) => {
                let mut bytes = self.read(&text)?;
                let is_new = change(&mut bytes)?;
                (bytes, is_new)
            }
        };
        if is_new {
            file.write(line(&*bytes).as_bytes())?;
        }
        Ok(bytes)
    }

    fn read(&self, text: &[u8]) -> Result<Bytes<LENGTH>> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        // As an editor leaves it, with the end of a line.
        let length = Base64UrlUnpadded::decode(text.trim_ascii(), &mut *bytes).map(<[u8]>::len);
        let (why, fix) = self.wrong;
        if length == Ok(LENGTH) { Ok(bytes) } else { Err(Error::file(self.path, why, fix)) }
    }
}

/// What a file with that key holds.
pub(crate) fn line(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(Base64UrlUnpadded::encode_string(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::secret_file::write;

    fn file(path: &Path) -> KeyFile<'_, 32> {
        KeyFile { path, wrong: ("this is no key", "Remove it") }
    }

    #[test]
    fn a_key_is_made_once_and_changed_only_where_that_is_asked_for() {
        let folder = Scratch::new();
        let path = folder.path("some.key");
        assert!(file(&path).known().unwrap().is_none());
        let made = file(&path).own().unwrap();
        assert_eq!(
            (file(&path).own().unwrap(), file(&path).known().unwrap()),
            (made.clone(), Some(made.clone()))
        );
        let changed = file(&path).changed(|bytes| {
            bytes[0] ^= 1;
            Ok(())
        });
        let changed = changed.unwrap();
        assert_eq!((changed[0] ^ 1, &changed[1..]), (made[0], &made[1..]));
        assert_eq!(file(&path).own().unwrap(), changed);
        let failed = file(&path).changed(|bytes| {
            bytes[0] ^= 1;
            Err(Error::internal("no", "numbers"))
        });
        assert!(failed.is_err());
        assert_eq!(file(&path).own().unwrap(), changed, "it is as it was");
        let new = folder.path("new.key");
        let made = file(&new).changed(|_| panic!("there is none that could change")).unwrap();
        assert_eq!(file(&new).known().unwrap(), Some(made));
    }

    #[test]
    fn what_is_no_key_of_that_length_is_refused_and_left_as_it_is() {
        let folder = Scratch::new();
        let path = folder.path("some.key");
        for wrong in [&b""[..], b"no key", &[b'A'; 42], &[b'A'; 44], &[0xff; 43]] {
            write(&path, wrong).unwrap();
            let changed = file(&path).changed(|_| Ok(()));
            for read in [file(&path).own(), changed, file(&path).known().map(Option::unwrap)] {
                assert!(read.unwrap_err().to_string().contains("this is no key"));
            }
            assert_eq!(**read(&path).unwrap().unwrap(), *wrong);
        }
        write(&path, &[&[b'A'; 43][..], b"\r\n"].concat()).unwrap();
        assert_eq!(*file(&path).own().unwrap(), [0; 32]);
    }

    #[test]
    fn of_many_programs_that_make_a_key_at_the_same_time_all_have_the_one_that_is_kept() {
        let folder = Scratch::new();
        let path = folder.path("some.key");
        let made = std::thread::scope(|scope| {
            let make = || scope.spawn(|| file(&path).own().unwrap());
            let made: Vec<_> = (0..8).map(|_| make()).collect();
            made.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let kept = file(&path).known().unwrap().unwrap();
        assert!(made.iter().all(|one| *one == kept));
    }
}
