//! What the fuzz target of configuration files does.

use std::collections::BTreeMap;

use super::definitions::Defined;
use super::file;
use super::resolve::Live;
use crate::duration;
use crate::http::Allowed;

/// The text of a configuration file: decoded, its stanzas read, and those written and read again.
/// Nothing is looked up or opened.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(nanos) = duration::parse(text) {
        let again = duration::parse(&duration::format(nanos));
        assert_eq!(again, Ok(nanos), "a duration is not read as it is written");
    }
    let Ok(settings) = file::decode(text) else { return };
    let mut merged = settings.clone();
    merged.merge(settings.clone());
    let _ = Live::new(&settings);
    let Ok(defined) = Defined::read(&settings.definitions, Allowed::ALL) else { return };
    let (mut services, mut checks) = (BTreeMap::new(), BTreeMap::new());
    for each in Defined::parse_each(&Defined::render([&defined])) {
        services.extend(each.services);
        checks.extend(each.checks);
    }
    assert_eq!(
        (services, checks),
        (defined.services, defined.checks),
        "stanzas are not read as they are written"
    );
}
