//! `/ui/`: services and nodes as a page for people (seed-systems, section 4). It holds nothing of the
//! cluster: it asks the API as everybody else does, and shows the token that its reader gives it.

use http::StatusCode;

use super::answer::{Answer, Body};

/// Where it is.
const HOME: &str = "/ui/";
/// Its files, by the path behind [`HOME`]: what they are, and what is in them.
const FILES: [(&str, &str, &str); 3] = [
    ("", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];
/// It loads nothing from elsewhere, runs nothing but its file, and is shown in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Whether a path is the page's.
pub(super) fn has(path: &str) -> bool {
    path == "/" || path == "/ui" || path.starts_with(HOME)
}

/// What is at one of its paths. Links into the original's pages lead to the same thing here.
pub(super) fn answer(path: &str) -> Answer {
    let inside = path.strip_prefix(HOME);
    let file = inside.and_then(|inside| FILES.iter().find(|(name, ..)| *name == inside));
    match (file, inside) {
        (Some((_, kind, text)), _) => Answer::new(StatusCode::OK, Body::Other(kind, text.as_bytes().into()))
            .with("content-security-policy", POLICY)
            .with("x-content-type-options", "nosniff")
            .with("referrer-policy", "no-referrer")
            .with("cache-control", "no-cache"),
        (None, Some(inside)) => moved(&format!("{HOME}#/{inside}")),
        (None, None) => moved(HOME),
    }
}

/// What was looked for is there.
pub(super) fn moved(place: &str) -> Answer {
    let link = format!("<a href=\"{place}\">Moved Permanently</a>.\n\n");
    Answer::new(StatusCode::MOVED_PERMANENTLY, Body::Other("text/html; charset=utf-8", link.into()))
        .with("location", place)
}
