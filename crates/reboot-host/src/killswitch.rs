//! The kill switch: a file that stops every reboot of this node while it is there.

use crate::error::HostError;
use std::io::ErrorKind;
use std::path::Path;

/// Whether anything is at the path, a link that points nowhere included.
///
/// # Errors
/// When it cannot be told: then nobody may assume that it is off.
pub fn active(path: &Path) -> Result<bool, HostError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HostError::read(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_on_while_anything_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disable");
        assert!(!active(&path).unwrap());
        fs::write(&path, "").unwrap();
        assert!(active(&path).unwrap());
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(active(&path).unwrap());
    }

    #[test]
    fn what_cannot_be_told_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = active(&file.path().join("disable")).unwrap_err();
        assert_eq!(error.kind(), "read");
        assert!(
            error.to_string().contains("disable: cannot read: "),
            "{error}"
        );
    }
}
