//! TLS with the certificates that options name, read from their files.

use std::fs;
use std::rc::Rc;

use super::options;
use super::settings::{ConfigureTls, Settings};
use super::value::OptionValue;
use crate::exit::{ExitCode, Failed};
use crate::net::link::StartTls;
use crate::net::tls::{Acceptor, Certificate, CertificateError, Certificates};

pub(super) fn built() -> Option<ConfigureTls> {
    Some(read)
}

/// Configures TLS; `None` if no option names or asks for a certificate.
///
/// # Errors
/// A file that cannot be read or holds something else, a certificate without its key, both ways at once, or no random octets.
fn read(settings: &Settings) -> Result<Option<Rc<dyn StartTls>>, Failed> {
    let Some(certificates) = certificates(settings)? else {
        return Ok(None);
    };
    let acceptor = Acceptor::new(certificates).map_err(|error| {
        Failed::new(
            ExitCode::Unavailable,
            format_args!("cannot begin TLS: {error}"),
        )
    })?;
    Ok(Some(Rc::new(acceptor)))
}

fn certificates(settings: &Settings) -> Result<Option<Certificates>, Failed> {
    let certificates = settings.get(&options::TLS_CERT)?;
    let keys = settings.get(&options::TLS_KEY)?;
    if settings.get(&options::TLS_SELF_SIGNED)?
        && let Some(flag) = settings.value(&options::TLS_SELF_SIGNED.option)
    {
        return match certificates.first() {
            Some(_) => Err(flag.wrong("it excludes --tls-cert: leave one of the two out")),
            None => make(settings, flag).map(Some),
        };
    }
    let mut read = Vec::new();
    for (index, certificate) in certificates.iter().enumerate() {
        let Some(key) = keys.get(index) else {
            return Err(certificate.unfit("its private key is missing: name it with --tls-key"));
        };
        read.push(pair(certificate, key)?);
    }
    if let Some(key) = keys.get(certificates.len()) {
        return Err(key.unfit("its certificate is missing: name it with --tls-cert"));
    }
    Ok((!read.is_empty()).then(|| Certificates::new(read)))
}

fn make(settings: &Settings, flag: &OptionValue) -> Result<Certificates, Failed> {
    let hostname = settings.get(&options::HOSTNAME)?;
    Certificates::self_signed(&hostname).map_err(|error| flag.unfit(error))
}

fn pair(certificate: &OptionValue, key: &OptionValue) -> Result<Certificate, Failed> {
    let chain = contents(certificate)?;
    Certificate::from_pem(&chain, &contents(key)?).map_err(|error| match error {
        CertificateError::NoKey | CertificateError::UnfitKey => key.unfit(error),
        _ => certificate.unfit(error),
    })
}

fn contents(file: &OptionValue) -> Result<Vec<u8>, Failed> {
    fs::read(&file.text).map_err(|error| file.unfit(format_args!("cannot read it: {error}")))
}
