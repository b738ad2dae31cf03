//! Routes in a configuration file: `[routes]`, which says in rows what `route = […]` says in a list.

use toml::de::DeValue;

use super::options::ROUTE;
use super::rows::{Form, Row};
use super::source::{Source, TomlKey, TomlValue};
use super::value::{OptionValue, Origin};
use crate::exit::{Failed, Mistakes};

const ROUTES: Form = Form {
    example: "\"*\" = \"smtps://mail.example.net?auth=ada\"",
    dotted_example: "\"example.org\" = \"lmtp:unix:/run/lmtp\"",
    wanted: "write the next server, as smtps://mail.example.net",
};

/// The rows below the head `key`, each as a value of `--route`. Mistakes of their form are noted; what they say is read with
/// all values.
pub(super) fn read(
    source: &Source<'_>,
    key: &TomlKey<'_>,
    value: &TomlValue<'_>,
    mistakes: &mut Mistakes,
) -> Vec<OptionValue> {
    let rows = match Row::all(source, key, value, &ROUTES) {
        Ok(rows) => rows,
        Err(mistake) => {
            mistakes.0.push(mistake);
            return Vec::new();
        }
    };
    let routes = rows.filter_map(|row| mistakes.note(route(row).map(Some)));
    routes.collect()
}

fn route(row: Row<'_, '_>) -> Result<OptionValue, Failed> {
    row.refuse_option()?;
    let hops = match row.value.get_ref() {
        DeValue::String(hops) => hops.to_string(),
        DeValue::Array(hops) => {
            let texts = hops.iter().map(|hop| match hop.get_ref() {
                DeValue::String(hop) => Some(hop.to_string()),
                _ => None,
            });
            let texts = texts.collect::<Option<Vec<_>>>();
            let texts = texts.filter(|texts| !texts.is_empty());
            texts
                .ok_or_else(|| row.wrong_value(ROUTES.wanted))?
                .join(",")
        }
        DeValue::Table(_) => {
            return Err(row.wrong_key(format_args!(
                "put a name with a dot in quotes, as {}",
                ROUTES.dotted_example
            )));
        }
        _ => return Err(row.wrong_value(ROUTES.wanted)),
    };
    Ok(OptionValue {
        option: &ROUTE.option,
        text: format!("{}={hops}", row.name()).into(),
        origin: Origin::File {
            place: row.source.place(row.key.span().start),
            written: row.written(),
        },
    })
}
