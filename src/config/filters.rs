//! All that the operator decided about mail filters.

pub mod values;

use std::rc::Rc;

use super::option::ServeOption;
use super::options;
use super::parts::SettingsReader;
use super::settings::Settings;
use crate::exit::{ExitCode, Failed};
use crate::filters::settings::{FilterAddress, FilterSettings, FilterTarget};

/// All that the operator decided about mail filters.
pub type FilterConfig = Rc<FilterSettings>;

/// Reads what `read` has on filters, and looks up their names; `None` without any. Mistakes are noted.
pub(super) fn read(read: &mut SettingsReader<'_>) -> Option<FilterConfig> {
    let filters: Vec<FilterAddress> = read.get(&options::MILTER);
    let of_submission: Vec<FilterAddress> = read.get(&options::MILTER_SUBMISSION);
    let default = read.get(&options::MILTER_DEFAULT);
    let [connect_timeout, command_timeout, content_timeout] = [
        &options::MILTER_CONNECT_TIMEOUT,
        &options::MILTER_COMMAND_TIMEOUT,
        &options::MILTER_CONTENT_TIMEOUT,
    ]
    .map(|timeout| read.get(timeout));
    if filters.is_empty() && of_submission.is_empty() {
        return None;
    }
    let targets = read.mistakes.note(targets(&filters));
    let of_submission =
        (!of_submission.is_empty()).then(|| read.mistakes.note(self::targets(&of_submission)));
    Some(Rc::new(FilterSettings {
        filters: targets,
        of_submission,
        default,
        connect_timeout,
        command_timeout,
        content_timeout,
    }))
}

/// Filters with the addresses of their names, which the machine looks up now: that blocks, so that it is done at the start and at
/// a reload only.
fn targets(addresses: &[FilterAddress]) -> Result<Vec<Rc<FilterTarget>>, Failed> {
    let target = |address: &FilterAddress| {
        let addresses = address.0.resolve().map_err(|error| {
            let message = format_args!("milter: {address}: {error}");
            Failed::new(ExitCode::Configuration, message)
        })?;
        Ok(Rc::new(FilterTarget {
            name: address.to_string().into(),
            addresses,
        }))
    };
    addresses.iter().map(target).collect()
}

/// Says that other options make no difference where there is no filter, unless they say what holds by default.
pub(super) fn warn_without_filter(settings: &Settings) -> Option<String> {
    let filters = [&options::MILTER.option, &options::MILTER_SUBMISSION.option];
    if filters
        .iter()
        .any(|option| settings.value(option).is_some())
    {
        return None;
    }
    let others = [
        &options::MILTER_DEFAULT.option,
        &options::MILTER_CONNECT_TIMEOUT.option,
        &options::MILTER_COMMAND_TIMEOUT.option,
        &options::MILTER_CONTENT_TIMEOUT.option,
    ];
    let is_other = |option: &&&ServeOption| {
        let value = settings.value(option);
        value.is_some_and(|value| Some(&*value.text.to_string_lossy()) != option.default)
    };
    let idle = others.iter().find(is_other)?;
    Some(format!(
        "--{} makes no difference: there is no --milter",
        idle.name
    ))
}
