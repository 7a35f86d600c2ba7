//! A reader of pages that is stricter than browsers are.

use std::collections::BTreeSet;

/// Elements without an end.
const VOID: [&str; 2] = ["meta", "br"];

/// What is on a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Names of its elements, in order.
    pub(crate) tags: Vec<String>,
    /// Its text, as it is shown.
    pub(crate) text: String,
}

impl Page {
    /// Reads a page: every element ends where it must, every attribute is quoted, every entity is
    /// known, every id is the only one and every reference to one leads somewhere.
    pub(crate) fn parse(html: &str) -> Result<Page, String> {
        let mut rest = html.strip_prefix("<!DOCTYPE html>\n").ok_or("no document type")?;
        let (mut page, mut open) = (Page::default(), Vec::<String>::new());
        let (mut ids, mut wanted) = (BTreeSet::new(), Vec::new());
        while let Some(place) = rest.find('<') {
            page.text.push_str(&shown(&rest[..place])?);
            let (tag, after) = rest[place + 1..].split_once('>').ok_or("a tag without end")?;
            rest = after;
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop().as_deref() != Some(name) {
                    return Err(format!("</{name}> where it must not be"));
                }
                continue;
            }
            let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            page.tags.push(name.to_owned());
            for (key, value) in parse_attributes(attributes)? {
                match key {
                    "id" if !ids.insert(value.to_owned()) => return Err(format!("id {value} twice")),
                    "aria-labelledby" => wanted.extend(value.split(' ').map(str::to_owned)),
                    _ => {}
                }
            }
            if name == "style" {
                rest = rest.split_once("</style>").ok_or("styles without end")?.1;
            } else if !closed && !VOID.contains(&name) {
                open.push(name.to_owned());
            }
        }
        match wanted.iter().find(|id| !ids.contains(*id)) {
            Some(id) => Err(format!("nothing has the id {id}")),
            None if !open.is_empty() => Err(format!("never closed: {open:?}")),
            None => Ok(page),
        }
    }
}

fn parse_attributes(mut rest: &str) -> Result<Vec<(&str, &str)>, String> {
    let mut attributes = Vec::new();
    while !rest.trim().is_empty() {
        let wrong = || format!("an attribute that is not quoted: {rest}");
        let (key, after) = rest.trim_start().split_once("=\"").ok_or_else(wrong)?;
        let (value, after) = after.split_once('"').ok_or_else(wrong)?;
        if !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(format!("an attribute called {key}"));
        }
        shown(value)?;
        attributes.push((key, value));
        rest = after;
    }
    Ok(attributes)
}

/// Text as it is shown.
fn shown(text: &str) -> Result<String, String> {
    let mut parts = text.split('&');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').ok_or_else(|| format!("a bare & before {part}"))?;
        shown.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            other => return Err(format!("&{other};")),
        });
        shown.push_str(rest);
    }
    Ok(shown)
}
