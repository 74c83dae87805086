//! The files that secrets and certificates are read from: they are looked at though nobody asks,
//! and one that cannot be used any more is told of.

use super::Desk;
use crate::news::News;
use reboot_store::files::LOOK_INTERVAL;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::time::sleep;

/// A file that the server reads again when it changes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum WatchedFile {
    /// The list of tokens.
    Tokens,
    /// The list of names and passwords.
    Passwords,
    /// The server's certificate, or its key.
    Certificate,
    /// The authorities that sign clients' certificates.
    ClientCa,
}

/// Why a file that changed is not taken. What it held before stays in force.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileTrouble {
    /// Which.
    pub file: WatchedFile,
    /// Its path, and what is wrong with it, where.
    pub why: String,
}

/// Looks at the files, each with why it is not taken.
pub(crate) type LookAtFiles = Box<dyn Fn() -> Vec<(WatchedFile, Option<String>)> + Send + Sync>;

/// The files of a server.
#[derive(Default)]
pub(super) struct Files {
    look: OnceLock<LookAtFiles>,
    /// Those that were not taken at the last look.
    bad: Mutex<BTreeMap<WatchedFile, String>>,
}

// === impl WatchedFile ===

impl WatchedFile {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Tokens,
        Self::Passwords,
        Self::Certificate,
        Self::ClientCa,
    ];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Passwords => "passwords",
            Self::Certificate => "certificate",
            Self::ClientCa => "client_ca",
        }
    }

    /// What it is and what its being bad means, for people who may not read what is in it.
    pub(crate) fn danger(self) -> &'static str {
        match self {
            Self::Tokens => {
                "The list of tokens changed and cannot be used: who was taken out of it still \
                 comes in"
            }
            Self::Passwords => {
                "The list of passwords changed and cannot be used: who was taken out of it still \
                 comes in"
            }
            Self::Certificate => {
                "The server's certificate or key changed and cannot be used: the former one is \
                 still shown"
            }
            Self::ClientCa => {
                "The list of clients' authorities changed and cannot be used: whom a removed one \
                 signed for still comes in"
            }
        }
    }
}

// === impl FileTrouble ===

impl fmt::Display for FileTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (danger, why) = (self.file.danger(), &self.why);
        let secs = LOOK_INTERVAL.as_secs();
        write!(
            f,
            "{danger}. {why}. Mend the file: it is read again within {secs} s"
        )
    }
}

// === impl Desk ===

impl Desk {
    /// Answers for these files from now on.
    pub(crate) fn watch_files(&self, look: LookAtFiles) {
        let _ = self.files.look.set(look); // a desk is served once
        self.look_at_files();
    }

    /// Looks at the files now, and tells what turned bad or good again. Answers those that are not
    /// taken.
    pub fn look_at_files(&self) -> Vec<FileTrouble> {
        // Held throughout: what is told last is what is so.
        let mut bad = self.bad_files();
        let looked = self.files.look.get().map_or(Vec::new(), |look| look());
        for (file, why) in looked {
            let former = match &why {
                Some(why) => bad.insert(file, why.clone()),
                None => bad.remove(&file),
            };
            match why {
                Some(why) if former.as_ref() != Some(&why) => {
                    self.tell(&News::FileRefused(&FileTrouble { file, why }));
                }
                None if former.is_some() => self.tell(&News::FileTaken(file)),
                _ => {}
            }
        }
        let troubles = bad.iter().map(|(file, why)| FileTrouble {
            file: *file,
            why: why.clone(),
        });
        troubles.collect()
    }

    /// Whether a file was not taken at the last look.
    pub(crate) fn is_bad(&self, file: WatchedFile) -> bool {
        self.bad_files().contains_key(&file)
    }

    /// Looks again and again, for ever.
    pub(crate) async fn follow_files(&self) {
        loop {
            sleep(LOOK_INTERVAL).await;
            self.look_at_files();
        }
    }

    fn bad_files(&self) -> std::sync::MutexGuard<'_, BTreeMap<WatchedFile, String>> {
        self.files
            .bad
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
