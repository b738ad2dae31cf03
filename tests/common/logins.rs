//! A user who may log in, and what she says.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::users_file;

/// `\0ada\0pencil` and `\0ada\0Pencil`.
pub const RIGHT: &str = "AUTH PLAIN AGFkYQBwZW5jaWw=\r\n";
pub const WRONG: &str = "AUTH PLAIN AGFkYQBQZW5jaWw=\r\n";

/// The file of a server that lets Ada in, by `pencil`.
pub struct UsersFile(TempDir);

impl UsersFile {
    pub fn new() -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(&users_file(&[("ada", "pencil")]));
        file
    }

    pub fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
        self.permit(0o600);
    }

    pub fn permit(&self, mode: u32) {
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn path(&self) -> String {
        self.0.path().join("users").to_str().unwrap().to_owned()
    }
}
