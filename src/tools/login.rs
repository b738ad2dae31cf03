//! As whom a client logs in, and by which password: never one of the arguments, which all users of a machine can see.

use std::env::{self, VarError};
use std::rc::Rc;

use crate::exit::{ExitCode, Failed};
use crate::smtp::client::ClientCredentials;
use crate::smtp::sasl::SASL;
use crate::terminal::{PASSWORD_VARIABLE as PASSWORD, ask_password};

/// The credentials of this user, with the password from `MAILOOP_PASSWORD`, else from whoever sits at the terminal.
///
/// # Errors
/// There is no password to be had, or none for a login.
pub fn credentials(user: &str) -> Result<Rc<dyn ClientCredentials>, Failed> {
    let Some(sasl) = SASL else {
        let message = "this program was built without the feature auth";
        return Err(Failed::new(ExitCode::Usage, message));
    };
    let password = match env::var(PASSWORD) {
        Ok(password) => password,
        Err(VarError::NotPresent) => {
            ask_password(&format!("Password of {user}: ")).map_err(|error| {
                Failed::new(
                    ExitCode::Usage,
                    format_args!(
                        "no password: {error}; put it into the variable {PASSWORD}, or type it at a terminal"
                    ),
                )
            })?
        }
        Err(VarError::NotUnicode(_)) => {
            let message = format_args!("{PASSWORD}: write it in UTF-8");
            return Err(Failed::new(ExitCode::Usage, message));
        }
    };
    (sasl.credentials)(user, &password).ok_or_else(|| {
        let message = "a login takes a name and a password, neither of them empty";
        Failed::new(ExitCode::Usage, message)
    })
}
