//! The users of a file, as the session knows them.

use core::any::Any;
use std::rc::Rc;

use super::exchange::Exchange;
use super::users::Users;
use crate::smtp::login::{BadLine, LoginExchange, UserDatabase};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::security::Security;

/// Reads a users file.
///
/// # Errors
/// The first line that is wrong.
pub fn read_users(text: &str) -> Result<Rc<dyn UserDatabase>, BadLine> {
    Ok(Rc::new(Users::parse(text)?))
}

impl UserDatabase for Users {
    fn has(&self, name: &str) -> bool {
        self.is_user(name)
    }

    fn is_same(&self, other: &dyn UserDatabase) -> bool {
        (other as &dyn Any).downcast_ref() == Some(self)
    }

    fn begin(
        self: Rc<Self>,
        mechanism: Mechanism,
        security: Option<Rc<Security>>,
    ) -> Box<dyn LoginExchange> {
        Box::new(Exchange::new(mechanism, security, self))
    }
}
