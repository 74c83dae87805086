//! What is made of files, and made again when they change: certificates, tokens.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How often files are looked at, at most.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// How the files' content becomes what is wanted of it.
type Make<T> = Box<dyn Fn() -> Result<T, String> + Send + Sync>;

/// Something made of files, as these are now.
pub struct FromFiles<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    known: Mutex<Option<Known<T>>>,
}

/// What was made last.
struct Known<T> {
    made: Arc<T>,
    stamps: Vec<Option<Stamp>>,
    looked: Instant,
    /// Why the files as they are now make nothing.
    trouble: Option<String>,
}

/// What changes about a file when its content does, or when another takes its place.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

// === impl FromFiles ===

impl<T> FromFiles<T> {
    /// Something that `make` makes of these files. Nothing is read yet.
    pub fn new(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            files,
            make: Box::new(make),
            known: Mutex::new(None),
        }
    }

    /// As the files are now, looked at every [`LOOK_INTERVAL`] at most. While files that changed
    /// do not hold together, as between the writing of two, the last good ones serve.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn current(&self) -> Result<Arc<T>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known
            && known.looked.elapsed() < LOOK_INTERVAL
        {
            return Ok(known.made.clone());
        }
        self.look(&mut known)
    }

    /// The same, looked at now: what we have was not taken.
    ///
    /// # Errors
    /// Names the file that cannot be used, and why.
    pub fn look_again(&self) -> Result<Arc<T>, String> {
        self.look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files now. Answers why the last good ones serve in their place, where they do.
    pub fn trouble(&self) -> Option<String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = self.look(&mut known).err();
        looked.or_else(|| known.as_ref()?.trouble.clone())
    }

    fn look(&self, known: &mut Option<Known<T>>) -> Result<Arc<T>, String> {
        // Before the files are read: what is written meanwhile is seen at the next look.
        let stamps: Vec<_> = self.files.iter().map(|file| Stamp::of(file)).collect();
        let looked = Instant::now();
        if let Some(known) = known {
            known.looked = looked;
            if known.stamps == stamps {
                known.trouble = None;
                return Ok(known.made.clone());
            }
        }
        match ((self.make)(), &mut *known) {
            (Ok(made), _) => {
                let made = Arc::new(made);
                *known = Some(Known {
                    made: made.clone(),
                    stamps,
                    looked,
                    trouble: None,
                });
                Ok(made)
            }
            (Err(error), Some(known)) => {
                known.trouble = Some(error);
                Ok(known.made.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

// === impl Stamp ===

impl Stamp {
    /// Nothing for a file that cannot be seen.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(file: PathBuf) -> FromFiles<u32> {
        FromFiles::new(vec![file.clone()], move || {
            let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
            text.parse().map_err(|_| format!("{text} is no number"))
        })
    }

    #[test]
    fn what_changed_is_read_again_and_what_broke_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        let it = number(file.clone());
        assert!(it.current().is_err(), "there is no file yet");
        fs::write(&file, "1").unwrap();
        assert_eq!(*it.current().unwrap(), 1);
        fs::write(&file, "22").unwrap();
        assert_eq!(*it.current().unwrap(), 1, "it was looked at just now");
        assert_eq!(*it.look_again().unwrap(), 22);
        fs::write(&file, "three").unwrap();
        assert_eq!(*it.look_again().unwrap(), 22, "the last good one serves");
        fs::write(&file, "4444").unwrap();
        assert_eq!(*it.look_again().unwrap(), 4444);
    }

    #[test]
    fn what_is_not_taken_is_told_for_as_long_as_it_is_so() {
        let dir = tempfile::tempdir().unwrap();
        let (file, aside) = (dir.path().join("number"), dir.path().join("aside"));
        let it = number(file.clone());
        assert!(it.trouble().is_some(), "there is no file yet");
        fs::write(&file, "1").unwrap();
        assert_eq!(it.trouble(), None);
        fs::write(&file, "three").unwrap();
        for _ in 0..2 {
            assert_eq!(it.trouble().as_deref(), Some("three is no number"));
            assert_eq!(*it.current().unwrap(), 1);
        }
        fs::write(&file, "22").unwrap();
        assert_eq!((it.trouble(), *it.current().unwrap()), (None, 22));
        fs::rename(&file, &aside).unwrap();
        assert!(it.trouble().is_some(), "it is gone");
        fs::rename(&aside, &file).unwrap();
        assert_eq!(it.trouble(), None, "it is back as it was");
    }
}
