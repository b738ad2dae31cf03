//! What stands for [`login`](self) in a client that was built without it: nobody logs in.

use crate::exit::{ExitCode, Failed};
use crate::smtp::client::Credentials;

/// Never called: there is no option that names a user.
///
/// # Errors
/// Always.
pub fn credentials(_user: &str) -> Result<Credentials, Failed> {
    let message = "this program was built without the feature auth";
    Err(Failed::new(ExitCode::Usage, message))
}
